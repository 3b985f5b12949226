import {
  assertSchema,
  confirmedMarker,
  layouts,
  logCreated,
  newMarker,
  parseMarker,
  refusals,
  type Marker,
} from './marker.ts'
import type { RedisClient } from './redis-client.ts'
import { slotCount, slotOf, tagOf } from './redis-slots.ts'
import type { OpenOptions, RedisSettings } from './store-settings.ts'
import { StoreRefused } from './store-unavailable.ts'

/** Where the markers of a store lie. */
export type MarkerKeys = {
  /** The marker that the first start writes and each later one adopts. */
  root: string
  /** The marker beside a key: a script needs it in the slot of its keys, and it vouches for the master that serves them. */
  beside: (key: string) => string
  /** The marker of a slot. */
  ofSlot: (slot: number) => string
  /** All but the root, if it is not the only one. */
  copies: () => string[]
}

const batch = 1024

/** One key for all, but on a Cluster, where each slot has a copy. */
export function markerKeys(settings: RedisSettings, options: OpenOptions): MarkerKeys {
  const prefix = options.keyPrefix ?? ''
  const { marker } = layouts[options.service]
  const root = prefix + marker
  if (settings.topology !== 'cluster')
    return { root, beside: () => root, ofSlot: () => root, copies: () => [] }
  const [name, rest] = marker.split(':')
  const ofSlot = (slot: number) => `${prefix}${name}:{${tagOf(slot)}}:${rest}`
  return {
    root,
    beside: (key) => ofSlot(slotOf(key)),
    ofSlot,
    copies: () => Array.from({ length: slotCount }, (_, slot) => ofSlot(slot)),
  }
}

/** The marker that stands in the store; written first when the store is empty. StoreRefused when it must not be used. */
export async function adoptMarker(
  client: RedisClient,
  keys: MarkerKeys,
  options: OpenOptions,
): Promise<Marker> {
  const found = await get(client, keys.root)
  if (found === null) await createMarker(client, keys, options)
  const marker = parseMarker(found ?? (await get(client, keys.root)))
  if (!marker)
    throw new StoreRefused(
      'the marker of the store cannot be read; after checking it run `main.js store confirm`',
    )
  assertSchema(marker, options.schema)
  // Whoever wrote it may have ended here; a store that is not complete holds nothing yet.
  if (marker.complete !== false) return marker
  const whole = { ...marker }
  delete whole.complete
  await writeAll(client, keys.copies(), whole, 'NX')
  await writeAll(client, [keys.root], whole)
  return whole
}

/** Writes the marker that an operator vouches for, everywhere. */
export async function confirmMarkers(
  client: RedisClient,
  keys: MarkerKeys,
  options: OpenOptions,
): Promise<Marker> {
  const confirmed = confirmedMarker(parseMarker(await get(client, keys.root)), options)
  // What was restored does not know the last steps that were used, whichever process serves it.
  const marker = { ...confirmed, server: 'none' }
  delete marker.complete
  await writeAll(client, [keys.root, ...keys.copies()], marker)
  return marker
}

async function createMarker(client: RedisClient, keys: MarkerKeys, options: OpenOptions): Promise<void> {
  const refusal = await unmarkedData(client, options)
  // Another replica's first start may have come in between; its marker counts then.
  if (refusal !== undefined && (await get(client, keys.root)) === null) throw new StoreRefused(refusal)
  if (refusal !== undefined) return
  const created = newMarker(options)
  const written = keys.copies().length > 0 ? { ...created, complete: false as const } : created
  const [reply] = await writeAll(client, [keys.root], written, 'NX')
  if (reply !== null) logCreated(created, options)
}

/** The replies; null for a key that was there when it must not be. */
async function writeAll(
  client: RedisClient,
  keys: readonly string[],
  marker: Marker,
  ...condition: 'NX'[]
): Promise<unknown[]> {
  const replies: unknown[] = []
  for (let at = 0; at < keys.length; at += batch) {
    const some = keys.slice(at, at + batch)
    const set = (key: string) =>
      client.send(key, (connection) => connection.call('SET', key, JSON.stringify(marker), ...condition))
    replies.push(...(await Promise.all(some.map(set))))
  }
  return replies
}

function get(client: RedisClient, key: string): Promise<string | null> {
  return client.send(key, (connection) => connection.get(key))
}

async function unmarkedData(client: RedisClient, options: OpenOptions): Promise<string | undefined> {
  const { ours, predecessor } = layouts[options.service]
  const prefix = options.keyPrefix ?? ''
  if (await holds(client, prefix + ours)) return refusals.damaged
  if (predecessor !== undefined && (await holds(client, prefix + predecessor))) return refusals.predecessor
  return undefined
}

async function holds(client: RedisClient, pattern: string): Promise<boolean> {
  for (const master of await client.masters()) {
    let cursor = '0'
    do {
      const [next, keys] = await master.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
      if (keys.length > 0) return true
      cursor = next
    } while (cursor !== '0')
  }
  return false
}
