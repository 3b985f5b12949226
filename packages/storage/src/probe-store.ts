import type { Redis } from 'ioredis'
import { probeRedis, type StoreFinding } from './probe-redis.ts'
import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'
import type { StoreLogger } from './store-settings.ts'

type Deps = { now: () => number; logger: StoreLogger }

const skewMaxMs = 5000

/** What an operator should know about this store; what an ACL user may not ask for is left out. StoreUnavailable when it does not answer. */
export async function probeStore(handle: StoreHandle, deps: Deps): Promise<StoreFinding[]> {
  const findings =
    handle.engine === 'redis' ? await probeOpened(handle, deps) : [probeLastStart(handle, deps.now())]
  return findings.filter((finding) => finding !== undefined)
}

async function probeOpened(handle: RedisHandle, deps: Deps): Promise<(StoreFinding | undefined)[]> {
  await handle.ping()
  return [...(await probeRedis(handle.client, deps.logger)), await probeClock(handle, deps.now)]
}

async function probeClock(handle: StoreHandle, now: () => number): Promise<StoreFinding | undefined> {
  const skewMs = await clockSkew(handle, now)
  return skewMs === undefined ? undefined : clockFinding(Math.abs(skewMs), 'Redis')
}

/**
 * In milliseconds: how far the clock of Redis is ahead of ours, by the master that is farthest off, or how far ahead of it a
 * SQLite file was started last. Undefined when the store does not tell.
 */
export async function clockSkew(handle: StoreHandle, now: () => number): Promise<number | undefined> {
  if (handle.engine === 'sqlite') return Math.max((handle.lastStartedAt ?? now()) - now(), 0)
  const masters = await handle.client.masters().catch(() => [])
  const skews = await Promise.all(masters.map((master) => skewOf(master, now).catch(() => [])))
  return skews.flat().toSorted((one, other) => Math.abs(other) - Math.abs(one))[0]
}

async function skewOf(master: Redis, now: () => number): Promise<number[]> {
  const [seconds, microseconds] = await master.time()
  return [Number(seconds) * 1000 + Number(microseconds) / 1000 - now()]
}

/** A start that lies in the future shows that the clock was set back. */
function probeLastStart(handle: SqliteHandle, now: number): StoreFinding | undefined {
  return clockFinding((handle.lastStartedAt ?? now) - now, 'the last start')
}

function clockFinding(skewMs: number, other: string): StoreFinding | undefined {
  if (skewMs <= skewMaxMs) return undefined
  return {
    code: 'CLOCK_SKEW',
    variable: 'ENVIRONMENT',
    message: `the clock differs from that of ${other} by ${Math.round(skewMs / 1000)} s`,
    remedy: 'synchronise the clocks (NTP)',
  }
}
