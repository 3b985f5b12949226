import {
  type ApiKeySettings,
  type HmacKeySettings,
  parseApiKeys,
  parseHmacKeys,
  parsePeppers,
} from '@herald/auth'
import { checkSecret } from './check-secret.ts'
import type { GateFinding } from './gate.ts'
import type { VariableRule } from './read-variables.ts'
import { createSecret, type Secret } from './secret.ts'
import { variable } from './variable.ts'

const keyBytesMin = 32
const messageOf = (error: unknown) => (error as Error).message

/** The keys that were issued, and what their digests are made with. */
export const apiKeyVariables = {
  API_KEYS: variable
    .parsedSecret(parseApiKeys, messageOf)
    .optional()
    .describe('Issued API keys as a JSON list of digests with their rights; see `main.js api-keys`'),
  API_KEY_PEPPERS: variable
    .parsedSecret(parsePeppers, messageOf)
    .optional()
    .describe('Secrets by id that the digests of API_KEYS are made with, as a JSON object'),
}

/** The credentials of callers; each service adds its own map of HMAC keys by id. */
export const authVariables = {
  API_KEY: variable.secret().optional().describe('Key that callers send as X-API-Key'),
  ...apiKeyVariables,
  ADMIN_API_KEY: variable
    .secret()
    .optional()
    .describe('Key, sent as X-API-Key, that may also do what operators do'),
  HMAC_SECRET: variable.secret().optional().describe('Secret of HMAC signatures, whatever key id they name'),
  HMAC_DEFAULT_KEY_ID: variable
    .text({ maxLength: 64 })
    .optional()
    .describe(
      'The one key that checks signatures without a key id; without it v1 tries every key of the map and v2 wants an id',
    ),
  HMAC_MAX_DRIFT: variable
    .duration({ minSeconds: 1, maxSeconds: 300 })
    .prefault('60s')
    .describe('How far the timestamp of an HMAC v2 signature may be off; v1 has its 5 minutes'),
}

/** The map of HMAC keys by id, which each service has under a name of its own. */
export function hmacKeysVariable() {
  return variable
    .parsedSecret(parseHmacKeys, messageOf)
    .optional()
    .describe('HMAC secrets by key id, or settings with a secret, as a JSON object; wins over HMAC_SECRET')
}

export type AuthValues<K extends string> = {
  API_KEY?: Secret | undefined
  API_KEYS?: readonly ApiKeySettings[] | undefined
  API_KEY_PEPPERS?: ReadonlyMap<string, string> | undefined
  ADMIN_API_KEY?: Secret | undefined
  HMAC_SECRET?: Secret | undefined
  HMAC_DEFAULT_KEY_ID?: string | undefined
} & { [Name in K]?: ReadonlyMap<string, HmacKeySettings> | undefined }

/**
 * What contradicts itself, HMAC_V1, TEST_KEY, and what `checkSecret` says about each configured credential. `hmacKeys` names the
 * service's variable that holds the map of HMAC keys.
 */
export function authRules<K extends string>(hmacKeys: K): VariableRule<AuthValues<K>>[] {
  return [
    ...(['API_KEY', 'ADMIN_API_KEY', 'HMAC_SECRET'] as const).map((name): VariableRule<AuthValues<K>> => ({
      reads: [name],
      find: ({ [name]: secret }) => (secret ? checkSecret(name, secret, { minBytes: keyBytesMin }) : []),
    })),
    {
      reads: ['API_KEY', 'ADMIN_API_KEY'],
      check: ({ API_KEY, ADMIN_API_KEY }) =>
        ADMIN_API_KEY !== undefined && ADMIN_API_KEY.reveal() === API_KEY?.reveal()
          ? [{ variable: 'ADMIN_API_KEY', message: 'must differ from API_KEY' }]
          : [],
    },
    {
      reads: ['HMAC_DEFAULT_KEY_ID', 'HMAC_SECRET', hmacKeys],
      check: ({ HMAC_DEFAULT_KEY_ID: keyId, HMAC_SECRET, [hmacKeys]: keys }) => {
        // The single secret answers to every id, so there is nothing to mistake.
        const isKnown = keys ? keyId !== undefined && keys.has(keyId) : HMAC_SECRET !== undefined
        return keyId === undefined || isKnown
          ? []
          : [{ variable: 'HMAC_DEFAULT_KEY_ID', message: `must name a key of ${hmacKeys}` }]
      },
    },
    {
      reads: [hmacKeys],
      find: ({ [hmacKeys]: keys }) =>
        checkAll(
          hmacKeys,
          [...(keys?.values() ?? [])].map(({ secret }) => secret),
        ),
    },
    {
      reads: ['HMAC_SECRET', hmacKeys],
      find: ({ HMAC_SECRET, [hmacKeys]: keys }) => {
        const takesV1 = keys ? [...keys.values()].some(({ minVersion }) => minVersion !== 2) : HMAC_SECRET
        return takesV1 ? [signsWithV1(keys ? hmacKeys : 'HMAC_SECRET')] : []
      },
    },
    ...apiKeyRules,
  ]
}

const apiKeyRules: VariableRule<Pick<AuthValues<never>, 'API_KEYS' | 'API_KEY_PEPPERS'>>[] = [
  {
    reads: ['API_KEYS', 'API_KEY_PEPPERS'],
    check: ({ API_KEYS: keys, API_KEY_PEPPERS: peppers }) =>
      keys?.some(({ pepperId }) => !peppers?.has(pepperId))
        ? [{ variable: 'API_KEYS', message: 'names a pepper that API_KEY_PEPPERS does not hold' }]
        : [],
  },
  {
    reads: ['API_KEYS'],
    find: ({ API_KEYS: keys }) => (keys?.some(({ environment }) => environment === 'test') ? [testKeys] : []),
  },
  {
    reads: ['API_KEY_PEPPERS'],
    find: ({ API_KEY_PEPPERS: peppers }) => checkAll('API_KEY_PEPPERS', [...(peppers?.values() ?? [])]),
  },
]

function checkAll(name: string, secrets: readonly string[]): GateFinding[] {
  return secrets.flatMap((text) => checkSecret(name, createSecret(text), { minBytes: keyBytesMin }))
}

/** NO_AUTH, unless one of the variables is set that let callers in. */
export function noAuthRule<V>(admitting: readonly (keyof V & string)[]): VariableRule<V> {
  return {
    reads: admitting,
    find: (values) => (admitting.some((name) => values[name] !== undefined) ? [] : [noAuth]),
  }
}

const noAuth: GateFinding = {
  code: 'NO_AUTH',
  variable: 'API_KEY',
  message: 'is not set, nor is any HMAC key or issued key, so no caller can be told from another',
  remedy: 'set API_KEY, API_KEYS, HMAC_SECRET or the map of HMAC keys',
}

const testKeys: GateFinding = {
  code: 'TEST_KEY',
  variable: 'API_KEYS',
  message: 'holds a key meant for tests',
  remedy: 'revoke it here; production has keys that begin with hk_live_',
}

function signsWithV1(variable: string): GateFinding {
  return {
    code: 'HMAC_V1',
    variable,
    message:
      'admits HMAC v1 signatures, which cover neither path nor query and can be repeated for five minutes',
    remedy:
      'once v1_requests_total no longer rises, give each key of the map "minVersion": 2; until then keep the service on a private network',
  }
}
