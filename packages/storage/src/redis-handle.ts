import type { Redis } from 'ioredis'
import { createMarkerGuard, type Marker } from './marker.ts'
import { onceASecond } from './once-a-second.ts'
import { acknowledgedScript } from './redis-acknowledgement.ts'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { redisCause } from './redis-fault.ts'
import { createRedisLink, type RedisLink } from './redis-link.ts'
import { adoptMarker, confirmMarkers, markerKeys, type MarkerKeys } from './redis-marker.ts'
import { createRecognition } from './redis-recognition.ts'
import { createRunner, type Run } from './redis-runner.ts'
import { createScripts, type Call } from './redis-script.ts'
import type { RedisHandle, Script } from './store-handle.ts'
import type { OpenOptions, RedisSettings, StoreLogger } from './store-settings.ts'
import { StoreRefused, StoreUnavailable } from './store-unavailable.ts'

/** Refused like any other write, and leaves nothing. */
const probeLua = `
redis.call('SET', KEYS[1], '')
redis.call('DEL', KEYS[1])
`

/** Connects and adopts or writes the marker; StoreUnavailable when Redis does not answer, StoreRefused when it must not be used. */
export async function openRedis(settings: RedisSettings, options: OpenOptions): Promise<RedisHandle> {
  const parts = createClients(settings, options)
  const { clients } = parts
  const keys = markerKeys(settings, options)
  try {
    await Promise.all(clients.map((client) => client.connect()))
    const marker = await adoptMarker(clients[0], keys, options)
    const handle = createRedisHandle(parts, keys, marker, options)
    await handle.ping()
    return handle
  } catch (error) {
    await closeAll(clients)
    return unavailable(error)
  }
}

/** Writes the marker that an operator vouches for. */
export async function confirmRedisMarker(settings: RedisSettings, options: OpenOptions): Promise<Marker> {
  const client = createRedisClient(settings, { name: options.service, logger: options.logger })
  try {
    await client.connect()
    return await confirmMarkers(client, markerKeys(settings, options), options)
  } catch (error) {
    return unavailable(error)
  } finally {
    await client.close()
  }
}

type Parts = {
  clients: Clients
  linkOf: (connection: Redis) => RedisLink
  /** Grows when a connection is made or lost. */
  changes: () => number
}

/** What the first client says of Redis need not be said twice. */
const silent: StoreLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** The second does, on connections of its own, what others must not wait behind. */
type Clients = readonly [RedisClient, RedisClient]

function createClients(settings: RedisSettings, { service, logger }: OpenOptions): Parts {
  const links = new WeakMap<Redis, RedisLink>()
  let changes = 0
  const create = (report: StoreLogger) =>
    createRedisClient(settings, {
      name: service,
      logger: report,
      onConnection(connection) {
        links.set(connection, createRedisLink(connection, logger))
        changes++
        connection.on('close', () => changes++)
      },
    })
  function linkOf(connection: Redis): RedisLink {
    const link = links.get(connection)
    if (!link) throw new Error('not a connection of ours')
    return link
  }
  return { clients: [create(logger), create(silent)], linkOf, changes: () => changes }
}

function createRedisHandle(
  { clients, linkOf, changes }: Parts,
  keys: MarkerKeys,
  marker: Marker,
  options: OpenOptions,
): RedisHandle {
  const [client, patient] = clients
  const scripts = createScripts(options.randomBytes)
  const guard = createMarkerGuard(marker, options)
  const recognise = createRecognition({ ...options, linkOf, scripts, guard })
  const run = createRunner({ client, linkOf, recognise })
  const runPatiently = createRunner({ client: patient, linkOf, recognise })

  /** Every master is ours, and the replies before this one on its connection were those that were asked for. */
  async function vouch(): Promise<void> {
    const slots = await client.slots()
    await Promise.all(slots.flatMap((slot) => clients.map((each) => recognise(each, keys.ofSlot(slot)))))
  }

  function prepare(through: Run, call: Call): Script {
    return (hashKeys, args) => {
      const markerKey = keys.beside(hashKeys[0] ?? '')
      return through(markerKey, (link, { text, floorAt }) =>
        call(link, [...hashKeys, markerKey], [...args, floorAt ?? '', text]),
      ).catch(unavailable)
    }
  }

  async function readHash(key: string): Promise<readonly string[]> {
    const reply = await run(keys.beside(key), (link) => link.send('HGETALL', [key]))
    if (Array.isArray(reply)) return reply as string[]
    await recognise(client, keys.beside(key))
    throw new StoreUnavailable('Redis gave no hash')
  }

  async function runMarked<T>(operation: (through: RedisClient) => Promise<T>): Promise<T> {
    await vouch()
    const before = changes()
    const answer = await operation(client)
    await vouch()
    if (changes() !== before) throw new StoreUnavailable('a connection to Redis was lost')
    return answer
  }

  const probe = prepare(run, scripts.marked(probeLua))
  return {
    engine: 'redis',
    keyPrefix: options.keyPrefix ?? '',
    client,
    script: (lua) => prepare(run, scripts.marked(lua)),
    acknowledgedScript: (lua) =>
      prepare(runPatiently, acknowledgedScript(scripts, lua, client.settings.ackReplicas)),
    readHash: (key) => readHash(key).catch(unavailable),
    runMarked: (operation) => runMarked(operation).catch(unavailable),
    ping: () => vouch().catch(unavailable),
    probeWrite: onceASecond(async () => {
      const slots = await client.slots().catch(unavailable)
      await Promise.all(slots.map((slot) => probe([`${keys.ofSlot(slot)}:probe`], [])))
    }, options.now),
    close: () => closeAll(clients),
  }
}

async function closeAll(clients: Clients): Promise<void> {
  await Promise.all(clients.map((client) => client.close()))
}

/** ioredis' errors carry the command's arguments, and so may their text; what leaves here names the cause alone. */
function unavailable(error: unknown): never {
  if (error instanceof StoreUnavailable || error instanceof StoreRefused) throw error
  throw new StoreUnavailable(`Redis does not answer as it should: ${redisCause(error)}`)
}
