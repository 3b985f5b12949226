import type { Redis } from 'ioredis'
import type { Marker, MarkerGuard } from './marker.ts'
import type { RedisClient } from './redis-client.ts'
import { identify, identifyAnew, type LinkMemory, type RedisLink } from './redis-link.ts'
import type { Scripts } from './redis-script.ts'
import type { StoreLogger } from './store-settings.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** KEYS marker; ARGV the text found, the text to put in its place. The text that then stands there. */
const exchangeLua = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
`

type Deps = {
  linkOf: (connection: Redis) => RedisLink
  scripts: Scripts
  guard: MarkerGuard
  now: () => number
  logger: StoreLogger
}

/**
 * Looks at a marker where it lies now and remembers it with that connection; StoreUnavailable when it is not ours. What
 * stands behind an address may be another server after a reconnect, an emptied one after a loss, or a replica that was
 * promoted without the last writes of its master, so nothing else is sent on a connection before.
 */
export type Recognise = (client: RedisClient, markerKey: string) => Promise<void>

export function createRecognition(deps: Deps): Recognise {
  const { linkOf, scripts, guard } = deps
  const getMarker = scripts.bare(`return redis.call('GET', KEYS[1])`)
  const exchange = scripts.bare(exchangeLua)
  const told = new WeakSet<LinkMemory>()
  const underWay = new WeakMap<RedisClient, Map<string, Promise<void>>>()

  async function look(markerKey: string, link: RedisLink): Promise<void> {
    const memory = link.memory()
    // In this order: the marker is what the client routes by.
    const [found, remembered] = await Promise.all([getMarker(link, [markerKey], []), identify(link)])
    memory.markers.delete(markerKey)
    const text = found as string | null
    const marker = guard.check(text, markerKey)
    const server = marker.server === remembered ? remembered : await identifyAnew(link)
    const renewed =
      marker.server === server
        ? { text: String(text), marker }
        : await renew(link, markerKey, String(text), server)
    const { floorAt } = renewed.marker
    memory.markers.set(markerKey, { text: renewed.text, ...(floorAt === undefined ? {} : { floorAt }) })
  }

  /** Another process answers than the last one that was settled with: what that one settled at last may be lost. */
  async function renew(link: RedisLink, markerKey: string, text: string, server: string) {
    const marker = guard.check(text, markerKey)
    const renewed = raise(marker, server, deps.now())
    const stands = String(await exchange(link, [markerKey], [text, JSON.stringify(renewed)]))
    const left = guard.check(stands, markerKey)
    if (left.server !== server) throw new StoreUnavailable('the marker of the store keeps changing')
    const memory = link.memory()
    if (marker.server !== undefined && !told.has(memory))
      deps.logger.warn(
        { event: 'store_changed' },
        'another Redis process answers: what the last one wrote may be lost',
      )
    told.add(memory)
    return { text: stands, marker: left }
  }

  return (client, markerKey) => {
    const pending = underWay.get(client) ?? new Map<string, Promise<void>>()
    underWay.set(client, pending)
    const found = pending.get(markerKey)
    if (found) return found
    const started = client
      .send(markerKey, (connection) => look(markerKey, linkOf(connection)))
      .finally(() => pending.delete(markerKey))
    pending.set(markerKey, started)
    return started
  }
}

/** A store that no process was known to serve is new and has lost nothing. */
function raise(marker: Marker, server: string, now: number): Marker {
  if (marker.server === undefined) return { ...marker, server }
  return { ...marker, server, floorAt: Math.max(marker.floorAt ?? 0, now) }
}
