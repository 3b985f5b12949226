import { Redis } from 'ioredis'
import type { RedisClient } from './redis-client.ts'
import { redisCause } from './redis-fault.ts'
import { redisOptions } from './redis-options.ts'
import type { Address, RedisSettings, StoreLogger } from './store-settings.ts'

/** A fact about the store that @herald/config's gate judges. */
export type StoreFinding = {
  code: 'REDIS_NOAUTH' | 'REDIS_PLAINTEXT' | 'REDIS_EVICTION' | 'REDIS_NOT_DURABLE' | 'CLOCK_SKEW'
  variable: string
  message: string
  remedy: string
  /** Where the servers are that it is about; none for what is not a matter of distance. */
  hosts?: readonly string[]
}

/** What a server tells of itself; a setting is undefined when the ACL does not let us ask. */
type Server = Address & { info: Readonly<Record<string, string>>; save: string | undefined }

/** Which variable names the store. */
const variableOf = {
  standalone: 'REDIS_ADDR',
  sentinel: 'REDIS_SENTINELS',
  cluster: 'REDIS_CLUSTER_NODES',
} as const satisfies Record<RedisSettings['topology'], string>

/** What each master, and each Sentinel, lets see of itself. */
export async function probeRedis(
  client: RedisClient,
  logger: StoreLogger,
): Promise<(StoreFinding | undefined)[]> {
  const { settings } = client
  const masters = await client.masters()
  const servers = await Promise.all(masters.map((connection) => lookAt(connection, logger)))
  const sentinels = settings.topology === 'sentinel' ? settings.sentinels : []
  return [
    await probeAuth(settings, servers, 'REDIS_PASSWORD'),
    await probeAuth(settings, sentinels, 'REDIS_SENTINEL_PASSWORD'),
    plaintextFinding(settings, servers),
    evictionFinding(settings, servers),
    persistenceFinding(settings, servers),
    replicaFinding(settings, servers),
  ]
}

async function lookAt(connection: Redis, logger: StoreLogger): Promise<Server> {
  const { remoteAddress: host = '', remotePort: port = 0 } = connection.stream
  const allowed = <T>(answer: Promise<T>): Promise<T | undefined> =>
    answer.catch((error: unknown) => {
      logger.debug({ cause: redisCause(error) }, 'Redis does not tell its configuration')
      return undefined
    })
  const [info = '', save] = await Promise.all([
    allowed(connection.info()),
    allowed(connection.config('GET', 'save')),
  ])
  const fields = [...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value] as const)
  return {
    host,
    port,
    info: Object.fromEntries(fields) as Server['info'],
    save: save?.[1],
  }
}

/** Asks on connections of their own that present no password, and to which nothing is said that a certificate would protect. */
async function probeAuth(
  settings: RedisSettings,
  addresses: readonly Address[],
  variable: 'REDIS_PASSWORD' | 'REDIS_SENTINEL_PASSWORD',
): Promise<StoreFinding | undefined> {
  const answers = await Promise.all(addresses.map((address) => letsIn(settings, address)))
  const open = addresses.filter((_, index) => answers[index])
  if (open.length === 0) return undefined
  return {
    code: 'REDIS_NOAUTH',
    variable,
    message: `is not asked for: ${variable === 'REDIS_PASSWORD' ? 'Redis' : 'a Sentinel'} answers without a password`,
    remedy: `set requirepass, or an ACL user, there and ${variable} here`,
    hosts: open.map(({ host }) => host),
  }
}

async function letsIn(settings: RedisSettings, { host, port }: Address): Promise<boolean> {
  const stranger = new Redis({
    ...redisOptions(settings, 'stranger'),
    username: undefined,
    password: undefined,
    host,
    port,
    enableReadyCheck: false,
    retryStrategy: () => null,
    ...(settings.tls && { tls: { rejectUnauthorized: false } }),
  })
  stranger.on('error', () => {})
  try {
    await stranger.connect()
    await stranger.ping()
    return true
  } catch {
    return false
  } finally {
    stranger.disconnect()
  }
}

/** The addresses that were configured are judged before; these are the ones that Sentinels and nodes gave. */
function plaintextFinding(settings: RedisSettings, servers: readonly Server[]): StoreFinding | undefined {
  if (settings.tls || settings.topology === 'standalone') return undefined
  return {
    code: 'REDIS_PLAINTEXT',
    variable: variableOf[settings.topology],
    message: 'names servers that are reached without TLS',
    remedy: 'set REDIS_TLS_ENABLED=true',
    hosts: servers.map(({ host }) => host),
  }
}

function evictionFinding(settings: RedisSettings, servers: readonly Server[]): StoreFinding | undefined {
  const policies = servers.map(({ info }) => info['maxmemory_policy'] ?? 'noeviction')
  const policy = policies.find((found) => found !== 'noeviction')
  if (policy === undefined) return undefined
  return {
    code: 'REDIS_EVICTION',
    variable: variableOf[settings.topology],
    message: `names a Redis that may drop keys when its memory is full (maxmemory-policy ${policy})`,
    remedy: 'set maxmemory-policy noeviction',
  }
}

function persistenceFinding(settings: RedisSettings, servers: readonly Server[]): StoreFinding | undefined {
  if (!servers.some(({ info, save }) => info['aof_enabled'] === '0' && save === '')) return undefined
  return {
    code: 'REDIS_NOT_DURABLE',
    variable: variableOf[settings.topology],
    message: 'names a Redis that keeps nothing on disk: a restart loses everything',
    remedy: 'set appendonly yes',
  }
}

function replicaFinding(
  { ackReplicas }: RedisSettings,
  servers: readonly Server[],
): StoreFinding | undefined {
  const counts = servers.flatMap(({ info }) => info['connected_slaves'] ?? []).map(Number)
  const finding = { code: 'REDIS_NOT_DURABLE', variable: 'REDIS_ACK_REPLICAS' } as const
  if (counts.some((replicas) => replicas < ackReplicas))
    return {
      ...finding,
      message: 'is more than a master has replicas: what has to be acknowledged is refused',
      remedy: 'give each master as many replicas, or set it lower',
    }
  if (!counts.some((replicas) => replicas > ackReplicas)) return undefined
  return {
    ...finding,
    message:
      'is less than a master has replicas: one that has not acknowledged can take over, and loses what was answered',
    remedy: 'set it to their number',
  }
}
