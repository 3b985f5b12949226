import { checkSecret } from './check-secret.ts'
import type { ConfigProblem } from './config-error.ts'
import type { GateFinding } from './gate.ts'
import { plaintextFindings } from './plaintext.ts'
import type { VariableRule } from './read-variables.ts'
import {
  engineOf,
  nameOf,
  redisHosts,
  speaksTls,
  storeNames,
  topologyOf,
  type StoreName,
  type StoreValues,
} from './store-settings.ts'

const names = Object.keys(storeNames) as StoreName[]
const redisNames = names.filter((name) => storeNames[name] === 'redis')

/** Every store is named, or it would be an empty one by accident. */
export const storeRequired: VariableRule<StoreValues> = {
  reads: ['STORE', ...names],
  check: problem(
    'STORE',
    `must be set, or one of ${names.join(', ')}`,
    (values) => engineOf(values) === undefined,
  ),
}

/** Two sources for one fact are refused, since either could be the one that was meant. */
const contradictions: readonly VariableRule<StoreValues>[] = [
  ...names.flatMap((one, index) => names.slice(index + 1).map((other) => bothSet(one, other))),
  ...redisNames.map((name) =>
    setAlthough(name, 'STORE is sqlite', ['STORE'], ({ STORE }) => STORE === 'sqlite'),
  ),
  setAlthough('SQLITE_PATH', 'STORE is redis', ['STORE'], ({ STORE }) => STORE === 'redis'),
  {
    reads: ['REDIS_SENTINELS', 'REDIS_SENTINEL_MASTER'],
    check: problem(
      'REDIS_SENTINEL_MASTER',
      'must be set together with REDIS_SENTINELS',
      (values) => values.REDIS_SENTINELS !== undefined && values.REDIS_SENTINEL_MASTER === undefined,
    ),
  },
  ...(['REDIS_SENTINEL_MASTER', 'REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD'] as const).map((name) =>
    setAlthough(
      name,
      'REDIS_SENTINELS is not',
      ['REDIS_SENTINELS'],
      ({ REDIS_SENTINELS }) => REDIS_SENTINELS === undefined,
    ),
  ),
  {
    reads: ['REDIS_CLUSTER_NODES', 'REDIS_DB'],
    check: problem(
      'REDIS_DB',
      'must be 0: a Cluster has no other database',
      ({ REDIS_CLUSTER_NODES: nodes, REDIS_DB: db = 0 }) => nodes !== undefined && db !== 0,
    ),
  },
  setAlthough('REDIS_USERNAME', 'REDIS_URL names a user', ['REDIS_URL'], namedByUrl('username')),
  setAlthough('REDIS_PASSWORD', 'REDIS_URL holds a password', ['REDIS_URL'], namedByUrl('password')),
  setAlthough('REDIS_DB', 'REDIS_URL names a database', ['REDIS_URL'], namedByUrl('db')),
  {
    reads: ['REDIS_URL', 'REDIS_TLS_ENABLED'],
    check: problem(
      'REDIS_TLS_ENABLED',
      'contradicts REDIS_URL; rediss:// means TLS',
      ({ REDIS_URL: url, REDIS_TLS_ENABLED: enabled }) =>
        url !== undefined && enabled !== undefined && url.tls !== enabled,
    ),
  },
  ...(['REDIS_TLS_CA_FILE', 'REDIS_TLS_SERVER_NAME'] as const).map((name) =>
    setAlthough(
      name,
      'TLS is off; set REDIS_TLS_ENABLED=true or use rediss://',
      [...redisNames, 'REDIS_TLS_ENABLED'],
      (values) => redisNames.some((redis) => values[redis] !== undefined) && !speaksTls(values),
    ),
  ),
]

/** What the gate says about the way to the store, before it is opened. */
const findings: readonly VariableRule<StoreValues>[] = [
  {
    reads: [...storeRequired.reads, 'REDIS_PASSWORD'],
    find: (values) => {
      const { REDIS_URL: url, REDIS_PASSWORD: password = url?.password } = values
      if (engineOf(values) !== 'redis' || password === undefined) return []
      return checkSecret(url?.password ? 'REDIS_URL' : 'REDIS_PASSWORD', password, { minBytes: 1 })
    },
  },
  {
    reads: ['REDIS_SENTINEL_PASSWORD'],
    find: ({ REDIS_SENTINEL_PASSWORD: password }) =>
      password === undefined ? [] : checkSecret('REDIS_SENTINEL_PASSWORD', password, { minBytes: 1 }),
  },
  {
    reads: [...storeRequired.reads, 'REDIS_TLS_ENABLED', 'REDIS_TLS_INSECURE_SKIP_VERIFY'],
    find: (values) =>
      engineOf(values) === 'redis' && speaksTls(values) && values.REDIS_TLS_INSECURE_SKIP_VERIFY
        ? [unverified]
        : [],
  },
  {
    reads: [...storeRequired.reads, 'REDIS_TLS_ENABLED'],
    find: (values) => {
      if (engineOf(values) !== 'redis' || speaksTls(values)) return []
      const variable = nameOf(values) ?? 'REDIS_ADDR'
      const remedy = variable === 'REDIS_URL' ? 'write it with rediss://' : 'set REDIS_TLS_ENABLED=true'
      return plaintextFindings('REDIS_PLAINTEXT', variable, redisHosts(topologyOf(values)), remedy)
    },
  },
]

/** Holds for a service that needs no store, too; one that does adds `storeRequired`. */
export const storeRules: readonly VariableRule<StoreValues>[] = [...contradictions, ...findings]

const unverified: GateFinding = {
  code: 'TLS_VERIFY_OFF',
  variable: 'REDIS_TLS_INSECURE_SKIP_VERIFY',
  message: "turns off the verification of Redis's certificate",
  remedy: 'set REDIS_TLS_CA_FILE to the authority of that certificate instead',
}

type StoreVariable = keyof StoreValues

function problem(variable: StoreVariable, message: string, holds: (values: StoreValues) => boolean) {
  return (values: StoreValues): ConfigProblem[] => (holds(values) ? [{ variable, message }] : [])
}

function bothSet(one: StoreVariable, other: StoreVariable): VariableRule<StoreValues> {
  const message = `and ${other} are both set; keep one of them`
  const holds = (values: StoreValues) => values[one] !== undefined && values[other] !== undefined
  return { reads: [one, other], check: problem(one, message, holds) }
}

function setAlthough(
  name: StoreVariable,
  fact: string,
  reads: readonly StoreVariable[],
  holds: (values: StoreValues) => boolean,
): VariableRule<StoreValues> {
  const message = `is set although ${fact}`
  return {
    reads: [name, ...reads],
    check: problem(name, message, (values) => values[name] !== undefined && holds(values)),
  }
}

function namedByUrl(part: 'username' | 'password' | 'db') {
  return ({ REDIS_URL: url }: StoreValues) => url?.[part] !== undefined
}
