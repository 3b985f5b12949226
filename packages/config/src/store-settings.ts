import { ConfigError, type ConfigProblem } from './config-error.ts'
import { checkSecret } from './check-secret.ts'
import type { GateFinding } from './gate.ts'
import { plaintextFindings } from './plaintext.ts'
import { parseAddress, parseRedisUrl } from './redis-address.ts'
import type { VariableRule } from './read-variables.ts'
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

export const storeRule: VariableRule<StoreValues> = {
  reads: Object.keys(storeVariables) as (keyof StoreValues)[],
  check: storeProblems,
}

/** `service` names the file that STORE=sqlite alone stands for. Throws a ConfigError where `storeRule` finds a problem. */
export function storeSettings(values: StoreValues, service: string): StoreSettings {
  const problems = storeProblems(values)
  if (problems.length > 0) throw new ConfigError(problems)
  if (engineOf(values) === 'sqlite') {
    return { engine: 'sqlite', path: values.SQLITE_PATH ?? `${service}.sqlite` }
  }
  return redisSettings(values)
}

/** What the gate says about the way to the store, before it is opened. */
export async function storeFindings(settings: StoreSettings): Promise<GateFinding[]> {
  if (settings.engine === 'sqlite') return []
  const { host, password, tls } = settings
  return [
    ...(password ? checkSecret('REDIS_PASSWORD', password, { minBytes: 1 }) : []),
    ...(tls?.rejectUnauthorized === false ? [unverified] : []),
    ...(tls
      ? []
      : await plaintextFindings('REDIS_PLAINTEXT', 'REDIS_ADDR', host, 'set REDIS_TLS_ENABLED=true')),
  ]
}

const unverified: GateFinding = {
  code: 'TLS_VERIFY_OFF',
  variable: 'REDIS_TLS_INSECURE_SKIP_VERIFY',
  message: "turns off the verification of Redis's certificate",
  remedy: 'set REDIS_TLS_CA_FILE to the authority of that certificate instead',
}

function engineOf({
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
  const { host, port } = url ?? parseAddress(values.REDIS_ADDR ?? 'localhost:6379') ?? { host: '', port: 0 }
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

function speaksTls({ REDIS_URL, REDIS_TLS_ENABLED }: StoreValues): boolean {
  return REDIS_URL?.tls ?? REDIS_TLS_ENABLED ?? false
}

/** Two sources for one fact are refused, since either could be the one that was meant. */
function storeProblems(values: StoreValues): ConfigProblem[] {
  const { STORE, SQLITE_PATH, REDIS_ADDR, REDIS_URL: url } = values
  const redisVariable = REDIS_ADDR === undefined ? 'REDIS_URL' : 'REDIS_ADDR'
  const namesRedis = REDIS_ADDR !== undefined || url !== undefined
  const conflicts: [boolean, string, string][] = [
    [engineOf(values) === undefined, 'STORE', 'must be set, or one of SQLITE_PATH, REDIS_ADDR and REDIS_URL'],
    [
      namesRedis && SQLITE_PATH !== undefined,
      'SQLITE_PATH',
      `and ${redisVariable} are both set; keep one of them`,
    ],
    [STORE === 'sqlite' && namesRedis, redisVariable, 'is set although STORE is sqlite'],
    [STORE === 'redis' && SQLITE_PATH !== undefined, 'SQLITE_PATH', 'is set although STORE is redis'],
    [
      REDIS_ADDR !== undefined && url !== undefined,
      'REDIS_URL',
      'and REDIS_ADDR are both set; keep one of them',
    ],
    [both(url?.username, values.REDIS_USERNAME), 'REDIS_USERNAME', 'is set although REDIS_URL names a user'],
    [
      both(url?.password, values.REDIS_PASSWORD),
      'REDIS_PASSWORD',
      'is set although REDIS_URL holds a password',
    ],
    [both(url?.db, values.REDIS_DB), 'REDIS_DB', 'is set although REDIS_URL names a database'],
    [
      url !== undefined && both(url.tls, values.REDIS_TLS_ENABLED) && url.tls !== values.REDIS_TLS_ENABLED,
      'REDIS_TLS_ENABLED',
      'contradicts REDIS_URL; rediss:// means TLS',
    ],
    ...(['REDIS_TLS_CA_FILE', 'REDIS_TLS_SERVER_NAME'] as const).map((name): [boolean, string, string] => [
      namesRedis && values[name] !== undefined && !speaksTls(values),
      name,
      'is set although TLS is off; set REDIS_TLS_ENABLED=true or use rediss://',
    ]),
  ]
  return conflicts.flatMap(([holds, name, message]) => (holds ? [{ variable: name, message }] : []))
}

function both(one: unknown, other: unknown): boolean {
  return one !== undefined && other !== undefined
}
