import type { Redis } from 'ioredis'
import {
  assertSchema,
  confirmedMarker,
  createMarkerGuard,
  layouts,
  logCreated,
  newMarker,
  parseMarker,
  refusals,
  type Marker,
  type MarkerGuard,
} from './marker.ts'
import { onceASecond } from './once-a-second.ts'
import { createRedisClient } from './redis-client.ts'
import { redisCause } from './redis-fault.ts'
import { createScripts } from './redis-script.ts'
import type { RedisHandle } from './store-handle.ts'
import type { OpenOptions, RedisSettings } from './store-settings.ts'
import { StoreRefused, StoreUnavailable } from './store-unavailable.ts'

const firstConnectionMs = 5000
/** Refused like any other write, and leaves nothing. */
const probeLua = `
redis.call('SET', KEYS[1], '')
redis.call('DEL', KEYS[1])
`
const finalRefusal = /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)|CERT|SIGNATURE/

/** Connects and adopts or writes the marker; StoreUnavailable when Redis does not answer, StoreRefused when it must not be used. */
export async function openRedis(settings: RedisSettings, options: OpenOptions): Promise<RedisHandle> {
  const client = await connectRedis(settings, options)
  try {
    const marker = await adoptMarker(client, options)
    return createRedisHandle(client, createMarkerGuard(marker, options), options)
  } catch (error) {
    client.disconnect()
    throw asUnavailable(error)
  }
}

/** Writes the marker that an operator vouches for. */
export async function confirmRedisMarker(settings: RedisSettings, options: OpenOptions): Promise<Marker> {
  const client = await connectRedis(settings, options)
  const key = markerKey(options)
  try {
    const marker = confirmedMarker(parseMarker(await client.get(key)), options)
    await client.set(key, JSON.stringify(marker))
    return marker
  } catch (error) {
    throw asUnavailable(error)
  } finally {
    client.disconnect()
  }
}

function createRedisHandle(client: Redis, guard: MarkerGuard, options: OpenOptions): RedisHandle {
  const key = markerKey(options)
  // What stands behind the address may be another server after a reconnect, and an emptied one after a loss:
  // nothing is sent before the marker was read on this very connection.
  let connection = 0
  let recognised: number | undefined = connection
  let recognition: Promise<void> | undefined
  client.on('close', () => connection++)

  const script = createScripts(client, { number: () => connection, giveUp }, options.randomBytes)
  const getMarker = script(`return redis.call('GET', KEYS[1])`)
  const probe = script(probeLua)
  const readMarker = async () => (await getMarker([key], [])) as string | null

  function giveUp(number: number, cause: string): void {
    if (number !== connection || client.stream.destroyed) return
    options.logger.warn({ event: 'redis_given_up', cause }, 'the connection to Redis is given up')
    client.stream.destroy()
  }

  async function recognise(): Promise<void> {
    const current = connection
    check(await readMarker())
    recognised = current
  }

  function check(text: string | null): void {
    try {
      guard.check(text)
    } catch (error) {
      recognised = undefined
      throw error
    }
  }

  async function run<T>(operation: (client: Redis) => Promise<T>): Promise<T> {
    try {
      if (recognised !== connection)
        await (recognition ??= recognise().finally(() => (recognition = undefined)))
      return await operation(client)
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  function runMarked<T>(operation: (client: Redis) => Promise<T>): Promise<T> {
    return run(async () => {
      const [answer, text] = await Promise.all([operation(client), readMarker()])
      check(text)
      return answer
    })
  }

  return {
    engine: 'redis',
    keyPrefix: options.keyPrefix ?? '',
    client,
    script,
    run,
    runMarked,
    async ping() {
      await runMarked(() => client.ping())
    },
    probeWrite: onceASecond(async () => {
      await runMarked(() => probe([`${key}:probe`], []))
    }, options.now),
    async close() {
      await client.quit().catch(() => client.disconnect())
    },
  }
}

async function connectRedis(settings: RedisSettings, options: OpenOptions): Promise<Redis> {
  const client = createRedisClient(settings, { name: options.service, logger: options.logger })
  try {
    await firstConnection(client)
    return client
  } catch (error) {
    client.disconnect()
    throw error
  }
}

/** Waits for a server that is still starting, but not for one that refuses our password or whose certificate we refuse. */
function firstConnection(client: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause = 'no answer'
    const giveUp = (): void => reject(new StoreUnavailable(`Redis cannot be reached: ${cause}`))
    const timer = setTimeout(giveUp, firstConnectionMs)
    client.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
    client.on('error', (error: Error) => {
      cause = redisCause(error)
      if (!finalRefusal.test(`${error.message} ${cause}`)) return
      clearTimeout(timer)
      giveUp()
    })
    // Reported by the listener above.
    client.connect().catch(() => {})
  })
}

async function adoptMarker(client: Redis, options: OpenOptions): Promise<Marker> {
  const key = markerKey(options)
  const found = await client.get(key)
  if (found === null) {
    const refusal = await unmarkedData(client, options)
    const created = newMarker(options)
    // Another replica's first start may have come in between; its marker counts then.
    if (refusal !== undefined && (await client.exists(key)) === 0) throw new StoreRefused(refusal)
    if (refusal === undefined && (await client.set(key, JSON.stringify(created), 'NX')) !== null)
      logCreated(created, options)
  }
  const marker = parseMarker(found ?? (await client.get(key)))
  if (!marker)
    throw new StoreRefused(
      'the marker of the store cannot be read; after checking it run `main.js store confirm`',
    )
  assertSchema(marker, options.schema)
  return marker
}

async function unmarkedData(client: Redis, options: OpenOptions): Promise<string | undefined> {
  const { ours, predecessor } = layouts[options.service]
  const prefix = options.keyPrefix ?? ''
  if (await holds(client, prefix + ours)) return refusals.damaged
  if (predecessor !== undefined && (await holds(client, prefix + predecessor))) return refusals.predecessor
  return undefined
}

async function holds(client: Redis, pattern: string): Promise<boolean> {
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
    if (keys.length > 0) return true
    cursor = next
  } while (cursor !== '0')
  return false
}

function markerKey(options: OpenOptions): string {
  return (options.keyPrefix ?? '') + layouts[options.service].marker
}

/** ioredis' errors carry the command's arguments, and so may their text; what leaves here names the cause alone. */
function asUnavailable(error: unknown): Error {
  if (error instanceof StoreUnavailable || error instanceof StoreRefused) return error
  return new StoreUnavailable(`Redis does not answer as it should: ${redisCause(error)}`)
}
