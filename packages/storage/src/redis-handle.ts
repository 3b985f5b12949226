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
} from './marker.ts'
import { onceASecond } from './once-a-second.ts'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { redisCause } from './redis-fault.ts'
import { createRedisLink } from './redis-link.ts'
import { createScripts, unmarked } from './redis-script.ts'
import type { RedisHandle, Script } from './store-handle.ts'
import type { OpenOptions, RedisSettings } from './store-settings.ts'
import { StoreRefused, StoreUnavailable } from './store-unavailable.ts'

/** Refused like any other write, and leaves nothing. */
const probeLua = `
redis.call('SET', KEYS[1], '')
redis.call('DEL', KEYS[1])
`

/** Connects and adopts or writes the marker; StoreUnavailable when Redis does not answer, StoreRefused when it must not be used. */
export async function openRedis(settings: RedisSettings, options: OpenOptions): Promise<RedisHandle> {
  const client = await connectRedis(settings, options)
  try {
    const connection = await onlyConnection(client)
    const adopted = await adoptMarker(connection, options)
    return createRedisHandle(connection, adopted, { ...options, close: () => client.close() })
  } catch (error) {
    await client.close()
    throw asUnavailable(error)
  }
}

/** Writes the marker that an operator vouches for. */
export async function confirmRedisMarker(settings: RedisSettings, options: OpenOptions): Promise<Marker> {
  const client = await connectRedis(settings, options)
  const key = markerKey(options)
  try {
    const connection = await onlyConnection(client)
    const marker = confirmedMarker(parseMarker(await connection.get(key)), options)
    await connection.set(key, JSON.stringify(marker))
    return marker
  } catch (error) {
    throw asUnavailable(error)
  } finally {
    await client.close()
  }
}

function createRedisHandle(
  client: Redis,
  adopted: Adopted,
  options: OpenOptions & Pick<RedisClient, 'close'>,
): RedisHandle {
  const key = markerKey(options)
  const guard = createMarkerGuard(adopted.marker, options)
  const link = createRedisLink(client, options.logger)
  const scripts = createScripts(link, options.randomBytes)
  const getMarker = scripts.bare(`return redis.call('GET', KEYS[1])`)
  let { text } = adopted
  // What stands behind the address may be another server after a reconnect: nothing is sent before the marker was read on
  // this very connection.
  let recognised: number | undefined = link.number()
  let recognition: Promise<void> | undefined

  async function readMarker(): Promise<void> {
    const current = link.number()
    const found = (await getMarker([key], [])) as string
    recognised = undefined
    guard.check(found)
    text = found
    recognised = current
  }

  async function recognise(): Promise<void> {
    await (recognition ??= readMarker().finally(() => (recognition = undefined)))
  }

  async function run<T>(operation: () => Promise<T>): Promise<T> {
    try {
      if (recognised !== link.number()) await recognise()
      return await operation()
    } catch (error) {
      throw asUnavailable(error)
    }
  }

  function script(lua: string): Script {
    const call = scripts.marked(lua)
    return (keys, args) =>
      run(async () => {
        const answer = await call([...keys, key], [...args, text])
        if (answer !== unmarked) return answer
        // Nothing was done, so the call may be sent again if the marker is still one of ours.
        await recognise()
        return refuseUnmarked(await call([...keys, key], [...args, text]))
      })
  }

  const probe = script(probeLua)
  return {
    engine: 'redis',
    keyPrefix: options.keyPrefix ?? '',
    client,
    script,
    readHash: (hash) =>
      run(async () => {
        const reply = await link.send('HGETALL', [hash])
        if (Array.isArray(reply)) return reply as string[]
        await readMarker()
        throw new StoreUnavailable('Redis gave no hash')
      }),
    runMarked: (operation) =>
      run(async () => {
        link.gather()
        const [answer] = await Promise.all([operation(client), readMarker()])
        return answer
      }),
    ping: () => run(readMarker),
    probeWrite: onceASecond(async () => {
      await probe([`${key}:probe`], [])
    }, options.now),
    close: options.close,
  }
}

function refuseUnmarked(answer: unknown): unknown {
  if (answer === unmarked) throw new StoreUnavailable('the marker of the store keeps changing')
  return answer
}

async function connectRedis(settings: RedisSettings, options: OpenOptions): Promise<RedisClient> {
  const client = createRedisClient(settings, { name: options.service, logger: options.logger })
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}

/** The one connection of a server; what a handle does on a Cluster goes to the first master alone. */
async function onlyConnection(client: RedisClient): Promise<Redis> {
  const [connection] = await client.masters()
  if (!connection) throw new StoreUnavailable('no master of Redis answers')
  return connection
}

type Adopted = { marker: Marker; /** As it stands in Redis. */ text: string }

async function adoptMarker(client: Redis, options: OpenOptions): Promise<Adopted> {
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
  const text = found ?? (await client.get(key))
  const marker = parseMarker(text)
  if (text === null || !marker)
    throw new StoreRefused(
      'the marker of the store cannot be read; after checking it run `main.js store confirm`',
    )
  assertSchema(marker, options.schema)
  return { marker, text }
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
