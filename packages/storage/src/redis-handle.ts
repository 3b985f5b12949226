import { createMarkerGuard, type Marker } from './marker.ts'
import { onceASecond } from './once-a-second.ts'
import { acknowledgedScript } from './redis-acknowledgement.ts'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { createRedisClients, type RedisClients } from './redis-clients.ts'
import { redisCause } from './redis-fault.ts'
import { adoptMarker, confirmMarkers, markerKeys, type MarkerKeys } from './redis-marker.ts'
import { createRecognition, type Recognise } from './redis-recognition.ts'
import { createRunner, type Run } from './redis-runner.ts'
import { createScripts, type Call } from './redis-script.ts'
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
  const clients = createRedisClients(settings, options)
  const keys = markerKeys(settings, options)
  try {
    await clients.connect()
    const marker = await adoptMarker(clients.quick, keys, options)
    const handle = createRedisHandle(clients, keys, marker, options)
    await handle.ping()
    return handle
  } catch (error) {
    await clients.close()
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

function createRedisHandle(
  clients: RedisClients,
  keys: MarkerKeys,
  marker: Marker,
  options: OpenOptions,
): RedisHandle {
  const { quick, patient, linkOf } = clients
  const { ackReplicas } = quick.settings
  const scripts = createScripts(options.randomBytes)
  const guard = createMarkerGuard(marker, options)
  const recognise = createRecognition({ ...options, linkOf, scripts, guard })
  const run = createRunner({ client: quick, linkOf, recognise })
  const runPatiently = createRunner({ client: patient, linkOf, recognise })
  const script = (lua: string) => createScript(run, keys, scripts.marked(lua))
  // On the quick client alone: a replica that is gone must not make the store unready.
  const vouch = () => recogniseAll(quick, keys, recognise)
  const probe = script(probeLua)
  return {
    engine: 'redis',
    keyPrefix: options.keyPrefix ?? '',
    client: quick,
    script,
    acknowledgedScript: (lua) =>
      ackReplicas === 0
        ? script(lua)
        : createScript(runPatiently, keys, acknowledgedScript(scripts, lua, ackReplicas)),
    readHash: (key) => readHash({ run, keys, vouch }, key).catch(unavailable),
    runMarked: (operation) => runBetween(clients, vouch, operation).catch(unavailable),
    ping: () => vouch().catch(unavailable),
    probeWrite: onceASecond(async () => {
      const slots = await quick.slots().catch(unavailable)
      await Promise.all(slots.map((slot) => probe([`${keys.ofSlot(slot)}:probe`], [])))
    }, options.now),
    close: () => clients.close(),
  }
}

/** Every master is ours, and the replies before this one on its connection were those that were asked for. */
async function recogniseAll(client: RedisClient, keys: MarkerKeys, recognise: Recognise): Promise<void> {
  const slots = await client.slots()
  await Promise.all(slots.map((slot) => recognise(client, keys.ofSlot(slot))))
}

function createScript(run: Run, keys: MarkerKeys, call: Call): Script {
  return (hashKeys, args) => {
    const markerKey = keys.beside(hashKeys[0] ?? '')
    return run(markerKey, (link, { text, floorAt }) =>
      call(link, [...hashKeys, markerKey], [...args, floorAt ?? '', text]),
    ).catch(unavailable)
  }
}

async function readHash(
  { run, keys, vouch }: { run: Run; keys: MarkerKeys; vouch: () => Promise<void> },
  key: string,
): Promise<readonly string[]> {
  const reply = await run(keys.beside(key), (link) => link.send('HGETALL', [key]))
  if (Array.isArray(reply)) return reply as string[]
  await vouch()
  throw new StoreUnavailable('Redis gave no hash')
}

async function runBetween<T>(
  { quick, changes }: RedisClients,
  vouch: () => Promise<void>,
  operation: (client: RedisClient) => Promise<T>,
): Promise<T> {
  await vouch()
  const before = changes()
  const answer = await operation(quick)
  await vouch()
  if (changes() !== before) throw new StoreUnavailable('a connection to Redis was lost')
  return answer
}

/** ioredis' errors carry the command's arguments, and so may their text; what leaves here names the cause alone. */
function unavailable(error: unknown): never {
  if (error instanceof StoreUnavailable || error instanceof StoreRefused) throw error
  throw new StoreUnavailable(`Redis does not answer as it should: ${redisCause(error)}`)
}
