import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'

export type Once = {
  /** Keeps the first value for a key until it expires by `now`, and returns the one that is kept. Atomic; StoreUnavailable when the store fails or is not ours. */
  putIfAbsent: (
    key: string,
    value: string,
    ttlSeconds: number,
    now: number,
  ) => Promise<{ created: boolean; value: string }>
}

/** An expired entry is collected only this much later, so that the clock passed in decides and not Redis' own. */
const collectAfterMs = 60_000

const putIfAbsentLua = `
local kept = redis.call('HMGET', KEYS[1], 'value', 'expiresAt')
local value, now, ttlMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if kept[1] and tonumber(kept[2]) > now then return {0, kept[1]} end
redis.call('HSET', KEYS[1], 'value', value, 'expiresAt', now + ttlMs)
redis.call('PEXPIRE', KEYS[1], ttlMs + ${collectAfterMs})
return {1, value}
`

/** Values that can be put once; keys lie under `prefix`, which starts with the service's own namespace ('totp:', 'smtp:'). */
export function createOnce(handle: StoreHandle, options: { prefix: string }): Once {
  return handle.engine === 'redis'
    ? createRedisOnce(handle, options.prefix)
    : createSqliteOnce(handle, options.prefix)
}

function createRedisOnce(handle: RedisHandle, prefix: string): Once {
  const putIfAbsent = handle.script(putIfAbsentLua)
  return {
    async putIfAbsent(key, value, ttlSeconds, now) {
      const name = `${handle.keyPrefix}${prefix}${key}`
      const answer = await putIfAbsent([name], [value, now, ttlSeconds * 1000])
      const [created, kept] = answer as [number, string]
      return { created: created === 1, value: kept }
    },
  }
}

function createSqliteOnce(handle: SqliteHandle, prefix: string): Once {
  const select = handle.database.prepare('SELECT value FROM once WHERE key = ? AND expires_at > ?')
  const upsert = handle.database.prepare(
    'INSERT OR REPLACE INTO once (key, value, expires_at) VALUES (?, ?, ?)',
  )
  const deleteExpired = handle.database.prepare('DELETE FROM once WHERE expires_at <= ?')
  return {
    putIfAbsent: (key, value, ttlSeconds, now) =>
      handle.settle(() => {
        const kept = select.get(prefix + key, now)
        if (kept) return { created: false, value: String(kept['value']) }
        deleteExpired.run(now - collectAfterMs)
        upsert.run(prefix + key, value, now + ttlSeconds * 1000)
        return { created: true, value }
      }),
  }
}
