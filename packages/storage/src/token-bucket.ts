import type { DatabaseSync } from 'node:sqlite'
import type { SqliteHandle, StoreHandle } from './store-handle.ts'

/** `capacity` tokens at once, refilled evenly over `perSeconds`. */
export type BucketPolicy = { capacity: number; perSeconds: number }

export type Taken = { ok: true } | { ok: false; retryAfterSeconds: number }

export type TokenBuckets = {
  /** Takes one token, atomically; a refusal changes nothing, so it never prolongs the wait. StoreUnavailable when the store fails. */
  take: (key: string, policy: BucketPolicy, now: number) => Promise<Taken>
  /** Puts back a token that was taken for nothing. */
  giveBack: (key: string, policy: BucketPolicy, now: number) => Promise<void>
}

/** A full bucket is forgotten only this much later, so that replicas whose clocks differ a little see the same one. */
const forgetAfterMs = 60_000

/** A bucket that is this much further from full than it can be was taken from by a clock that has been set back since. */
const impossibleAfterMs = 3_600_000

/**
 * The bucket in Lua, for scripts that take a token as part of something larger. `takeToken(key, now, refillMs, capacity)`
 * returns 0, or the milliseconds until there is a token.
 */
export const takeTokenLua = `
-- A bucket is the moment at which it will be full again; it expires then, and only taking a token moves it.
local function takeToken(key, now, refillMs, capacity)
  local fullAt = math.max(tonumber(redis.call('GET', key)) or 0, now)
  if fullAt > now + refillMs * capacity + ${impossibleAfterMs} then fullAt = now end
  local waitMs = fullAt - now - refillMs * (capacity - 1)
  if waitMs > 0 then return waitMs end
  fullAt = fullAt + refillMs
  redis.call('SET', key, fullAt, 'PX', fullAt - now + ${forgetAfterMs})
  return 0
end
`

const takeLua = `${takeTokenLua}
return takeToken(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
`

const giveBackLua = `
local fullAt = tonumber(redis.call('GET', KEYS[1])) or 0
local now, refillMs = tonumber(ARGV[1]), tonumber(ARGV[2])
fullAt = fullAt - refillMs
if fullAt > now then
  redis.call('SET', KEYS[1], fullAt, 'PX', fullAt - now + ${forgetAfterMs})
else
  redis.call('DEL', KEYS[1])
end
return 0
`

/** How long one token takes to come back, in whole milliseconds. */
export function refillMs(policy: BucketPolicy): number {
  return Math.ceil((policy.perSeconds * 1000) / policy.capacity)
}

/** Buckets under `prefix`, which starts with the service's own namespace ('totp:', 'smtp:'). */
export function createTokenBuckets(handle: StoreHandle, options: { prefix: string }): TokenBuckets {
  if (handle.engine === 'sqlite') return createSqliteBuckets(handle, options.prefix)
  const name = (key: string) => `${handle.keyPrefix}${options.prefix}${key}`
  const take = handle.script(takeLua)
  const giveBack = handle.script(giveBackLua)
  return {
    async take(key, policy, now) {
      const waitMs = await take([name(key)], [now, refillMs(policy), policy.capacity])
      return takenAfter(Number(waitMs))
    },
    async giveBack(key, policy, now) {
      await giveBack([name(key)], [now, refillMs(policy)])
    },
  }
}

/** The bucket as a step of a larger SQLite transaction: call what it returns inside `settle`; 0, or the milliseconds to wait. */
export function prepareTakeToken(
  database: DatabaseSync,
): (key: string, policy: BucketPolicy, now: number) => number {
  const select = database.prepare('SELECT full_at FROM buckets WHERE key = ?')
  const upsert = database.prepare('INSERT OR REPLACE INTO buckets (key, full_at) VALUES (?, ?)')
  const deleteFull = database.prepare('DELETE FROM buckets WHERE full_at <= ?')
  return (key, policy, now) => {
    const latestFullAt = now + refillMs(policy) * policy.capacity + impossibleAfterMs
    const stored = Math.max(Number(select.get(key)?.['full_at'] ?? 0), now)
    const fullAt = stored > latestFullAt ? now : stored
    const waitMs = fullAt - now - refillMs(policy) * (policy.capacity - 1)
    if (waitMs > 0) return waitMs
    deleteFull.run(now - forgetAfterMs)
    upsert.run(key, fullAt + refillMs(policy))
    return 0
  }
}

function createSqliteBuckets(handle: SqliteHandle, prefix: string): TokenBuckets {
  const takeToken = prepareTakeToken(handle.database)
  const moveBack = handle.database.prepare('UPDATE buckets SET full_at = full_at - ? WHERE key = ?')
  return {
    take: (key, policy, now) => handle.settle(() => takenAfter(takeToken(prefix + key, policy, now))),
    giveBack: (key, policy) =>
      handle.settle(() => {
        moveBack.run(refillMs(policy), prefix + key)
      }),
  }
}

function takenAfter(waitMs: number): Taken {
  return waitMs > 0 ? { ok: false, retryAfterSeconds: Math.ceil(waitMs / 1000) } : { ok: true }
}
