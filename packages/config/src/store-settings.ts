import type { Address, RedisSettings, RedisTopology, StoreSettings } from '@herald/storage'
import { parseAddress, parseRedisUrl } from './redis-address.ts'
import type { Secret } from './secret.ts'
import { variable } from './variable.ts'

/** Where state is kept: a SQLite file, or Redis as one server, behind Sentinels or as a Cluster. */
export const storeVariables = {
  STORE: variable
    .oneOf(['sqlite', 'redis'])
    .optional()
    .describe(
      'Engine of the store; follows from SQLITE_PATH, REDIS_ADDR, REDIS_URL, REDIS_SENTINELS or REDIS_CLUSTER_NODES when one of them is set',
    ),
  SQLITE_PATH: variable
    .text({ maxLength: 4096 })
    .refine(isPlainPath, 'must be the path of a file, not :memory: or a file: URI')
    .optional()
    .describe(
      'File of the SQLite store; with STORE=sqlite alone, the name of the service in the working folder',
    ),
  REDIS_ADDR: variable
    .text({ maxLength: 300 })
    .refine((text) => parseAddress(text) !== undefined, 'must be host:port')
    .optional()
    .describe('host:port of Redis; with STORE=redis alone, localhost:6379'),
  REDIS_URL: variable
    .parsedSecret(parseRedisUrl, () => 'must be redis://[user:password@]host:port[/db] or rediss://')
    .optional()
    .describe('Redis as one URL, in place of REDIS_ADDR; rediss:// means TLS'),
  REDIS_SENTINELS: variable
    .addresses({ defaultPort: 26_379 })
    .optional()
    .describe('host:port of Redis Sentinels, comma-separated, in place of REDIS_ADDR; they name the master'),
  REDIS_SENTINEL_MASTER: variable
    .text({ maxLength: 255 })
    .optional()
    .describe('What the Sentinels call the master'),
  REDIS_SENTINEL_USERNAME: variable.text({ maxLength: 255 }).optional().describe('ACL user of the Sentinels'),
  REDIS_SENTINEL_PASSWORD: variable.secret().optional().describe('Password of the Sentinels'),
  REDIS_CLUSTER_NODES: variable
    .addresses({ defaultPort: 6379 })
    .optional()
    .describe(
      'host:port of nodes of a Redis Cluster, comma-separated, in place of REDIS_ADDR; they name the others',
    ),
  REDIS_ACK_REPLICAS: variable
    .integer({ min: 0, max: 16 })
    .optional()
    .describe(
      'Replicas that must hold what must not be lost before it is answered, else 503; unset means 1 with REDIS_SENTINELS and REDIS_CLUSTER_NODES, else 0',
    ),
  REDIS_USERNAME: variable.text({ maxLength: 255 }).optional().describe('ACL user of Redis'),
  REDIS_PASSWORD: variable.secret().optional().describe('Password of Redis'),
  REDIS_DB: variable
    .integer({ min: 0, max: 65_535 })
    .optional()
    .describe('Database number of Redis; unset means 0, which is all that a Cluster has'),
  REDIS_TLS_ENABLED: variable
    .bool()
    .optional()
    .describe('Speak TLS to REDIS_ADDR, or to Sentinels or nodes and to every server they name'),
  REDIS_TLS_SERVER_NAME: variable
    .text({ maxLength: 255 })
    .optional()
    .describe("Name expected in Redis's certificate; unset means the host"),
  REDIS_TLS_CA_FILE: variable
    .certificateFile()
    .optional()
    .describe("PEM file of the authorities for Redis's certificate; unset means those that Node.js trusts"),
  REDIS_TLS_INSECURE_SKIP_VERIFY: variable
    .bool()
    .prefault('false')
    .describe("Do not verify Redis's certificate; refused in production"),
}

export type StoreValues = {
  STORE?: 'sqlite' | 'redis' | undefined
  SQLITE_PATH?: string | undefined
  REDIS_ADDR?: string | undefined
  REDIS_URL?: ReturnType<typeof parseRedisUrl> | undefined
  REDIS_SENTINELS?: readonly Address[] | undefined
  REDIS_SENTINEL_MASTER?: string | undefined
  REDIS_SENTINEL_USERNAME?: string | undefined
  REDIS_SENTINEL_PASSWORD?: Secret | undefined
  REDIS_CLUSTER_NODES?: readonly Address[] | undefined
  REDIS_ACK_REPLICAS?: number | undefined
  REDIS_USERNAME?: string | undefined
  REDIS_PASSWORD?: Secret | undefined
  REDIS_DB?: number | undefined
  REDIS_TLS_ENABLED?: boolean | undefined
  REDIS_TLS_SERVER_NAME?: string | undefined
  REDIS_TLS_CA_FILE?: string | undefined
  REDIS_TLS_INSECURE_SKIP_VERIFY: boolean
}

/** The variables that name a store, of which one is set, each with the engine that it means. */
export const storeNames = {
  SQLITE_PATH: 'sqlite',
  REDIS_URL: 'redis',
  REDIS_ADDR: 'redis',
  REDIS_SENTINELS: 'redis',
  REDIS_CLUSTER_NODES: 'redis',
} as const

export type StoreName = keyof typeof storeNames

/** Of values that the rules have let pass. `service` names the file that STORE=sqlite alone stands for. */
export function storeSettings(values: StoreValues, service: string): StoreSettings {
  const engine = engineOf(values)
  if (engine === undefined) throw new TypeError('storeRequired lets no start come here without a store')
  return engine === 'sqlite'
    ? { engine, path: values.SQLITE_PATH ?? `${service}.sqlite` }
    : redisSettings(values)
}

/** Undefined where no variable names a store. */
export function engineOf(values: StoreValues): 'sqlite' | 'redis' | undefined {
  const name = nameOf(values)
  return values.STORE ?? (name && storeNames[name])
}

/** The variable that names the store; undefined where it is left to STORE, or to nothing. */
export function nameOf(values: StoreValues): StoreName | undefined {
  return (Object.keys(storeNames) as StoreName[]).findLast((name) => values[name] !== undefined)
}

function redisSettings(values: StoreValues): RedisSettings {
  const url = values.REDIS_URL
  const username = url?.username ?? values.REDIS_USERNAME
  const password = url?.password ?? values.REDIS_PASSWORD
  const topology = topologyOf(values)
  return {
    engine: 'redis',
    ...topology,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(speaksTls(values) && { tls: redisTls(values) }),
    ackReplicas: values.REDIS_ACK_REPLICAS ?? (topology.topology === 'standalone' ? 0 : 1),
  }
}

/** Where Redis is, in whichever form it was named; `localhost:6379` where STORE=redis stands alone. */
export function topologyOf(values: StoreValues): RedisTopology {
  const { REDIS_CLUSTER_NODES: nodes, REDIS_SENTINELS: sentinels, REDIS_SENTINEL_MASTER: master } = values
  if (nodes) return { topology: 'cluster', nodes }
  const db = values.REDIS_URL?.db ?? values.REDIS_DB ?? 0
  if (!sentinels || master === undefined) return { topology: 'standalone', ...addressOf(values), db }
  const { REDIS_SENTINEL_USERNAME: sentinelUsername, REDIS_SENTINEL_PASSWORD: sentinelPassword } = values
  return {
    topology: 'sentinel',
    sentinels,
    master,
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    db,
  }
}

function redisTls(values: StoreValues): NonNullable<RedisSettings['tls']> {
  const { REDIS_TLS_SERVER_NAME: serverName, REDIS_TLS_CA_FILE: ca } = values
  return {
    rejectUnauthorized: !values.REDIS_TLS_INSECURE_SKIP_VERIFY,
    ...(serverName !== undefined && { serverName }),
    ...(ca !== undefined && { ca }),
  }
}

function addressOf({ REDIS_URL, REDIS_ADDR = 'localhost:6379' }: StoreValues): Address {
  const address = REDIS_URL ?? parseAddress(REDIS_ADDR)
  if (address === undefined) throw new TypeError('the schema lets no such REDIS_ADDR pass')
  return { host: address.host, port: address.port }
}

/** Every host that the settings name. */
export function redisHosts(settings: RedisTopology): readonly string[] {
  if (settings.topology === 'standalone') return [settings.host]
  const addresses = settings.topology === 'sentinel' ? settings.sentinels : settings.nodes
  return addresses.map(({ host }) => host)
}

/** Whether Redis is spoken to over TLS; the scheme of REDIS_URL decides before REDIS_TLS_ENABLED. */
export function speaksTls({ REDIS_URL, REDIS_TLS_ENABLED }: StoreValues): boolean {
  return REDIS_URL?.tls ?? REDIS_TLS_ENABLED ?? false
}

/** SQLite reads these as names of stores that may end with the process, and a later version could read more so. */
function isPlainPath(text: string): boolean {
  return !/^(?::|file:)/i.test(text)
}
