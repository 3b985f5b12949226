import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'

/** What one holder at a time has; it ends by itself when its holder stops renewing it. Atomic; StoreUnavailable when the store fails. */
export type Lease = {
  /** Takes or renews; false while another holder has it. */
  take: (holder: string, ttlMs: number, now: number) => Promise<boolean>
  /** Gives back what this holder has, and nothing else. */
  release: (holder: string) => Promise<void>
}

const takeLua = `
local found = redis.call('HMGET', KEYS[1], 'holder', 'expiresAt')
local holder, now, ttlMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if found[1] and found[1] ~= holder and tonumber(found[2]) > now then return 0 end
redis.call('HSET', KEYS[1], 'holder', holder, 'expiresAt', now + ttlMs)
return 1
`

const releaseLua = `
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
`

/** The lease of that name, which starts with the service's own namespace ('totp:', 'smtp:'). */
export function createLease(handle: StoreHandle, options: { name: string }): Lease {
  return handle.engine === 'redis'
    ? createRedisLease(handle, options.name)
    : createSqliteLease(handle, options.name)
}

function createRedisLease(handle: RedisHandle, name: string): Lease {
  const key = handle.keyPrefix + name
  const take = handle.script(takeLua)
  const release = handle.script(releaseLua)
  return {
    take: async (holder, ttlMs, now) => (await take([key], [holder, now, ttlMs])) === 1,
    async release(holder) {
      await release([key], [holder])
    },
  }
}

function createSqliteLease(handle: SqliteHandle, name: string): Lease {
  const { database } = handle
  const held = database.prepare('SELECT 1 FROM leases WHERE name = ? AND holder <> ? AND expires_at > ?')
  const upsert = database.prepare('INSERT OR REPLACE INTO leases VALUES (?, ?, ?)')
  const deleteOwn = database.prepare('DELETE FROM leases WHERE name = ? AND holder = ?')
  return {
    take: (holder, ttlMs, now) =>
      handle.settle(() => {
        if (held.get(name, holder, now)) return false
        upsert.run(name, holder, now + ttlMs)
        return true
      }),
    release: (holder) =>
      handle.settle(() => {
        deleteOwn.run(name, holder)
      }),
  }
}
