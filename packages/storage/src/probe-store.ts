import type { Redis } from 'ioredis'
import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'

/** A fact about the store that @herald/config's gate judges. */
export type StoreFinding = {
  code: 'REDIS_NOAUTH' | 'REDIS_EVICTION' | 'REDIS_NOT_DURABLE' | 'CLOCK_SKEW'
  variable: string
  message: string
  remedy: string
}

const skewMaxMs = 5000

/** What an operator should know about this store; what an ACL user may not ask for is left out. StoreUnavailable when it does not answer. */
export async function probeStore(handle: StoreHandle, deps: { now: () => number }): Promise<StoreFinding[]> {
  const findings =
    handle.engine === 'redis' ? await probeRedis(handle, deps.now) : [probeLastStart(handle, deps.now())]
  return findings.filter((finding) => finding !== undefined)
}

async function probeRedis(handle: RedisHandle, now: () => number): Promise<(StoreFinding | undefined)[]> {
  await handle.ping()
  return Promise.all([
    probeAuth(handle.client),
    probeEviction(handle.client),
    probeDurability(handle.client),
    probeClock(handle.client, now),
  ])
}

/** Asks on a connection of its own that presents no password. */
async function probeAuth(client: Redis): Promise<StoreFinding | undefined> {
  const stranger = client.duplicate({
    username: null,
    password: null,
    db: 0,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
  } as never)
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

async function probeEviction(client: Redis): Promise<StoreFinding | undefined> {
  const policy = await configOf(client, 'maxmemory-policy')
  if (policy === undefined || policy === 'noeviction') return undefined
  return {
    code: 'REDIS_EVICTION',
    variable: 'REDIS_ADDR',
    message: `Redis may drop keys when its memory is full (maxmemory-policy ${policy})`,
    remedy: 'set maxmemory-policy noeviction',
  }
}

async function probeDurability(client: Redis): Promise<StoreFinding | undefined> {
  const [appendOnly, save] = await Promise.all([configOf(client, 'appendonly'), configOf(client, 'save')])
  if (appendOnly !== 'no' || save !== '') return undefined
  return {
    code: 'REDIS_NOT_DURABLE',
    variable: 'REDIS_ADDR',
    message: 'Redis keeps nothing on disk: a restart loses every enrolment',
    remedy: 'set appendonly yes',
  }
}

async function probeClock(client: Redis, now: () => number): Promise<StoreFinding | undefined> {
  const time = await client.time().catch(() => undefined)
  if (time === undefined) return undefined
  return clockFinding(Math.abs(Number(time[0]) * 1000 - now()), 'Redis')
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
async function configOf(client: Redis, name: string): Promise<string | undefined> {
  const answer = await client.config('GET', name).catch(() => [])
  return (answer as string[])[1]
}
