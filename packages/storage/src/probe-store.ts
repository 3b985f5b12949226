import type { Redis } from 'ioredis'
import { redisCause } from './redis-fault.ts'
import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'
import type { StoreLogger } from './store-settings.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** A fact about the store that @herald/config's gate judges. */
export type StoreFinding = {
  code: 'REDIS_NOAUTH' | 'REDIS_EVICTION' | 'REDIS_NOT_DURABLE' | 'CLOCK_SKEW'
  variable: string
  message: string
  remedy: string
}

type Deps = { now: () => number; logger: StoreLogger }

const skewMaxMs = 5000

/** What an operator should know about this store; what an ACL user may not ask for is left out. StoreUnavailable when it does not answer. */
export async function probeStore(handle: StoreHandle, deps: Deps): Promise<StoreFinding[]> {
  const findings =
    handle.engine === 'redis' ? await probeRedis(handle, deps) : [probeLastStart(handle, deps.now())]
  return findings.filter((finding) => finding !== undefined)
}

async function probeRedis(handle: RedisHandle, deps: Deps): Promise<(StoreFinding | undefined)[]> {
  await handle.ping()
  const connection = await firstMaster(handle)
  const config = (name: string) => readConfig(connection, name, deps.logger)
  return Promise.all([
    probeAuth(connection),
    config('maxmemory-policy').then(evictionFinding),
    Promise.all([config('appendonly'), config('save')]).then(durabilityFinding),
    probeClock(handle, deps.now),
  ])
}

/** The masters of one Cluster are set up alike. */
async function firstMaster({ client }: RedisHandle): Promise<Redis> {
  const [connection] = await client.masters()
  if (!connection) throw new StoreUnavailable('no master of Redis answers')
  return connection
}

/** Asks on a connection of its own that presents no password. */
async function probeAuth(client: Redis): Promise<StoreFinding | undefined> {
  const stranger = client.duplicate({
    username: undefined,
    password: undefined,
    db: 0,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
  })
  stranger.on('error', () => {})
  try {
    await stranger.connect()
    await stranger.ping()
  } catch {
    return undefined
  } finally {
    stranger.disconnect()
  }
  return {
    code: 'REDIS_NOAUTH',
    variable: 'REDIS_PASSWORD',
    message: 'Redis answers without a password',
    remedy: 'set requirepass, or an ACL user, in Redis and REDIS_PASSWORD here',
  }
}

function evictionFinding(policy: string | undefined): StoreFinding | undefined {
  if (policy === undefined || policy === 'noeviction') return undefined
  return {
    code: 'REDIS_EVICTION',
    variable: 'REDIS_ADDR',
    message: `Redis may drop keys when its memory is full (maxmemory-policy ${policy})`,
    remedy: 'set maxmemory-policy noeviction',
  }
}

function durabilityFinding([appendOnly, save]: (string | undefined)[]): StoreFinding | undefined {
  if (appendOnly !== 'no' || save !== '') return undefined
  return {
    code: 'REDIS_NOT_DURABLE',
    variable: 'REDIS_ADDR',
    message: 'Redis keeps nothing on disk: a restart loses every enrolment',
    remedy: 'set appendonly yes',
  }
}

async function probeClock(handle: StoreHandle, now: () => number): Promise<StoreFinding | undefined> {
  const skewMs = await clockSkew(handle, now)
  return skewMs === undefined ? undefined : clockFinding(Math.abs(skewMs), 'Redis')
}

/**
 * How far the clock of Redis is ahead of ours, in milliseconds, or how far ahead a SQLite file was started last; undefined
 * when the store does not tell.
 */
export async function clockSkew(handle: StoreHandle, now: () => number): Promise<number | undefined> {
  if (handle.engine === 'sqlite') return Math.max((handle.lastStartedAt ?? now()) - now(), 0)
  const time = await firstMaster(handle)
    .then((connection) => connection.time())
    .catch(() => undefined)
  return time === undefined ? undefined : Number(time[0]) * 1000 + Number(time[1]) / 1000 - now()
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

/** Undefined when the ACL does not let us ask. */
async function readConfig(client: Redis, name: string, logger: StoreLogger): Promise<string | undefined> {
  try {
    const [, value] = (await client.config('GET', name)) as [string, string]
    return value
  } catch (error) {
    logger.debug({ setting: name, cause: redisCause(error) }, 'Redis does not tell its configuration')
    return undefined
  }
}
