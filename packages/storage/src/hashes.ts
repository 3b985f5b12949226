import type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'

/** Few fields under a name, such as a checkpoint. Every verb is atomic; StoreUnavailable when the store fails. */
export type Hashes = {
  read: (name: string) => Promise<Readonly<Record<string, string>>>
  write: (name: string, fields: Readonly<Record<string, string | number>>) => Promise<void>
  /** Writes only the fields that are not there, and returns all that then stand there. */
  complete: (
    name: string,
    fields: Readonly<Record<string, string>>,
  ) => Promise<Readonly<Record<string, string>>>
  remove: (name: string) => Promise<void>
}

const readLua = `return redis.call('HGETALL', KEYS[1])`

const removeLua = `return redis.call('DEL', KEYS[1])`

/** ARGV: fields and values in turn. */
const writeLua = `
for at = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 0
`

const completeLua = `
for at = 1, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1]) end
return redis.call('HGETALL', KEYS[1])
`

/** Hashes under `prefix`, which starts with the service's own namespace ('totp:', 'smtp:'). */
export function createHashes(handle: StoreHandle, options: { prefix: string }): Hashes {
  return handle.engine === 'redis'
    ? createRedisHashes(handle, options.prefix)
    : createSqliteHashes(handle, options.prefix)
}

function createRedisHashes(handle: RedisHandle, prefix: string): Hashes {
  const key = (name: string) => `${handle.keyPrefix}${prefix}${name}`
  const read = handle.script(readLua)
  const write = handle.script(writeLua)
  const complete = handle.script(completeLua)
  const remove = handle.script(removeLua)
  return {
    read: async (name) => toFields(await read([key(name)], [])),
    async write(name, fields) {
      await write([key(name)], Object.entries(fields).flat())
    },
    complete: async (name, fields) => toFields(await complete([key(name)], Object.entries(fields).flat())),
    async remove(name) {
      await remove([key(name)], [])
    },
  }
}

function toFields(reply: unknown): Record<string, string> {
  const found = reply as string[]
  return Object.fromEntries(found.flatMap((text, at) => (at % 2 === 0 ? [[text, found[at + 1] ?? '']] : [])))
}

function createSqliteHashes(handle: SqliteHandle, prefix: string): Hashes {
  const { database } = handle
  const select = database.prepare('SELECT field, value FROM hashes WHERE name = ?')
  const upsert = database.prepare('INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)')
  const insert = database.prepare('INSERT OR IGNORE INTO hashes VALUES (?, ?, ?)')
  const deleteAll = database.prepare('DELETE FROM hashes WHERE name = ?')
  const find = (name: string) =>
    Object.fromEntries(select.all(prefix + name).map(({ field, value }) => [String(field), String(value)]))
  return {
    read: (name) => handle.settle(() => find(name)),
    write: (name, fields) =>
      handle.settle(() => {
        for (const [field, value] of Object.entries(fields)) upsert.run(prefix + name, field, String(value))
      }),
    complete: (name, fields) =>
      handle.settle(() => {
        for (const [field, value] of Object.entries(fields)) insert.run(prefix + name, field, value)
        return find(name)
      }),
    remove: (name) =>
      handle.settle(() => {
        deleteAll.run(prefix + name)
      }),
  }
}
