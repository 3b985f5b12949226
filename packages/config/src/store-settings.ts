import { type Address, parseAddress, parseRedisUrl } from './redis-address.ts'
import type { Secret } from './secret.ts'
import { variable } from './variable.ts'

/** Where state is kept: a SQLite file or a Redis server. */
export const storeVariables = {
  STORE: variable
    .oneOf(['sqlite', 'redis'])
    .optional()
    .describe(
      'Engine of the store; follows from SQLITE_PATH, REDIS_ADDR or REDIS_URL when one of them is set',
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
  REDIS_USERNAME: variable.text({ maxLength: 255 }).optional().describe('ACL user of Redis'),
  REDIS_PASSWORD: variable.secret().optional().describe('Password of Redis'),
  REDIS_DB: variable
    .integer({ min: 0, max: 65_535 })
    .optional()
    .describe('Database number of Redis; unset means 0'),
  REDIS_TLS_ENABLED: variable.bool().optional().describe('Speak TLS to REDIS_ADDR'),
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
  REDIS_USERNAME?: string | undefined
  REDIS_PASSWORD?: Secret | undefined
  REDIS_DB?: number | undefined
  REDIS_TLS_ENABLED?: boolean | undefined
  REDIS_TLS_SERVER_NAME?: string | undefined
  REDIS_TLS_CA_FILE?: string | undefined
  REDIS_TLS_INSECURE_SKIP_VERIFY: boolean
}

export type StoreSettings = { engine: 'sqlite'; path: string } | RedisSettings

export type RedisSettings = {
  engine: 'redis'
  host: string
  port: number
  db: number
  username?: string
  password?: Secret
  tls?: { serverName?: string; /** PEM text. */ ca?: string; rejectUnauthorized: boolean }
}

/** Of values that the rules have let pass. `service` names the file that STORE=sqlite alone stands for. */
export function storeSettings(values: StoreValues, service: string): StoreSettings {
  const engine = engineOf(values)
  if (engine === undefined) throw new TypeError('storeRequired lets no start come here without a store')
  return engine === 'sqlite'
    ? { engine, path: values.SQLITE_PATH ?? `${service}.sqlite` }
    : redisSettings(values)
}

/** Undefined where no variable names a store. */
export function engineOf({
  STORE,
  SQLITE_PATH,
  REDIS_ADDR,
  REDIS_URL,
}: StoreValues): 'sqlite' | 'redis' | undefined {
  if (STORE !== undefined) return STORE
  if (REDIS_ADDR !== undefined || REDIS_URL !== undefined) return 'redis'
  return SQLITE_PATH === undefined ? undefined : 'sqlite'
}

function redisSettings(values: StoreValues): RedisSettings {
  const url = values.REDIS_URL
  const { host, port } = addressOf(values)
  const username = url?.username ?? values.REDIS_USERNAME
  const password = url?.password ?? values.REDIS_PASSWORD
  return {
    engine: 'redis',
    host,
    port,
    db: url?.db ?? values.REDIS_DB ?? 0,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(speaksTls(values) && { tls: redisTls(values) }),
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

export function addressOf({ REDIS_URL, REDIS_ADDR = 'localhost:6379' }: StoreValues): Address {
  const address = REDIS_URL ?? parseAddress(REDIS_ADDR)
  if (address === undefined) throw new TypeError('the schema lets no such REDIS_ADDR pass')
  return address
}

export function speaksTls({ REDIS_URL, REDIS_TLS_ENABLED }: StoreValues): boolean {
  return REDIS_URL?.tls ?? REDIS_TLS_ENABLED ?? false
}

/** SQLite reads these as names of stores that may end with the process, and a later version could read more so. */
function isPlainPath(text: string): boolean {
  return !/^(?::|file:)/i.test(text)
}
