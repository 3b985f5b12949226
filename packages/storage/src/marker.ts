import { type OpenOptions, type StoreLogger } from './store-settings.ts'
import { StoreRefused, StoreUnavailable } from './store-unavailable.ts'

/** What makes a store known to be ours; written by the first start on an empty store. Times are ISO 8601 unless told. */
export type Marker = {
  storeId: string
  schema: number
  createdAt: string
  confirmedAt?: string
  /** Which process of Redis it was last used on; undefined before the first. */
  server?: string
  /** When another process answered than before, in milliseconds since the epoch: later uses are all there, earlier ones may be lost. */
  floorAt?: number
  /** While the first start has not written all copies of it. */
  complete?: false
}

type Layout = {
  marker: string
  /** Glob of keys that only a marked store can hold. */
  ours: string
  /** Glob of the data of the program that this service replaces. */
  predecessor?: string
}

/** Where each service keeps what in Redis; the marker's name also stands in SQLite's meta table. */
export const layouts: Readonly<Record<OpenOptions['service'], Layout>> = {
  'herald-totp': { marker: 'totp:marker', ours: 'totp:{*', predecessor: 'totp:cred:*' },
  'herald-smtp': { marker: 'smtp:marker', ours: 'smtp:*' },
}

export const refusals = {
  damaged:
    'the store holds data of this service but no marker: it was damaged or restored in part; after checking it run `main.js store confirm`',
  predecessor:
    'the store holds the data of the original herald-totp (totp:cred:*), which has to be imported (`main.js import`, not in this build): select an empty database',
} as const

/** Undefined when the text is no marker of ours. */
export function parseMarker(text: string | null | undefined): Marker | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const value = JSON.parse(text) as Partial<Marker> | null
    const known = typeof value?.storeId === 'string' && Number.isInteger(value.schema)
    const hasFloor = value?.floorAt === undefined || Number.isFinite(value.floorAt)
    return known && hasFloor && typeof value?.createdAt === 'string' ? (value as Marker) : undefined
  } catch {
    return undefined
  }
}

/** A marker that no other store has: its id is 128 random bits. */
export function newMarker(options: Pick<OpenOptions, 'schema' | 'now' | 'randomBytes'>): Marker {
  return {
    storeId: options.randomBytes(16).toString('hex'),
    schema: options.schema,
    createdAt: new Date(options.now()).toISOString(),
  }
}

/** Tells that this start took the store for a new one: on any but the first, its data was lost. */
export function logCreated({ storeId }: Marker, { logger }: Pick<OpenOptions, 'logger'>): void {
  logger.warn({ event: 'store_created', store_id: storeId }, 'an empty store was found and marked as ours')
}

/** The marker that an operator's confirmation leaves behind: the one found, or a new one, with the time of the confirmation. */
export function confirmedMarker(found: Marker | undefined, options: OpenOptions): Marker {
  if (found) assertSchema(found, options.schema)
  return { ...(found ?? newMarker(options)), confirmedAt: new Date(options.now()).toISOString() }
}

/** Throws StoreRefused when the store was written in another layout. */
export function assertSchema(marker: Marker, schema: number): void {
  if (marker.schema === schema) return
  const relation = marker.schema > schema ? 'newer' : 'older'
  throw new StoreRefused(
    `the store has schema ${marker.schema}, ${relation} than ${schema}, which this build writes`,
  )
}

export type MarkerGuard = {
  /**
   * The marker, of those that a store may have several of under names. Throws StoreUnavailable unless it is the one the
   * process started with, or one confirmed since the loss was noticed.
   */
  check(text: string | null | undefined, name?: string): Marker
  /** Throws StoreUnavailable and remembers the loss, for signs of it other than the marker. */
  lost(sign: string): never
}

/** Keeps the process to the store it started on. */
export function createMarkerGuard(
  start: Marker,
  deps: { now: () => number; logger: StoreLogger },
): MarkerGuard {
  let storeId = start.storeId
  const lostAt = new Map<string, number>()

  function lose(name: string, sign: string): never {
    if (lostAt.size === 0)
      deps.logger.error({ event: 'store_lost', sign }, 'the store is no longer known to be ours')
    if (!lostAt.has(name)) lostAt.set(name, deps.now())
    throw new StoreUnavailable(`the store is no longer known to be ours: ${sign}`)
  }

  function check(text: string | null | undefined, name = ''): Marker {
    const marker = parseMarker(text)
    if (!marker) return lose(name, 'its marker is missing')
    if (marker.schema !== start.schema) return lose(name, 'its schema changed')
    if (marker.storeId !== storeId && !isConfirmedSince(marker, lostAt.get(name)))
      return lose(name, 'its marker changed')
    storeId = marker.storeId
    if (lostAt.delete(name) && lostAt.size === 0)
      deps.logger.info({ event: 'store_found' }, 'the store is known to be ours again')
    return marker
  }

  return { check, lost: (sign) => lose('', sign) }
}

function isConfirmedSince(marker: Marker, lostAt: number | undefined): boolean {
  return lostAt !== undefined && marker.confirmedAt !== undefined && Date.parse(marker.confirmedAt) > lostAt
}
