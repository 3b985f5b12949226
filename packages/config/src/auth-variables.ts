import { checkSecret } from './check-secret.ts'
import type { GateFinding } from './gate.ts'
import type { VariableRule } from './read-variables.ts'
import { createSecret, type Secret } from './secret.ts'
import { variable } from './variable.ts'

const keyBytesMin = 32

/** The credentials of callers; each service adds its own map of HMAC keys by id. */
export const authVariables = {
  API_KEY: variable.secret().optional().describe('Key that callers send as X-API-Key'),
  ADMIN_API_KEY: variable
    .secret()
    .optional()
    .describe('Key, sent as X-API-Key, that may also do what operators do'),
  HMAC_SECRET: variable.secret().optional().describe('Secret of HMAC signatures, whatever key id they name'),
  HMAC_DEFAULT_KEY_ID: variable
    .text({ maxLength: 64 })
    .optional()
    .describe(
      'The one key that checks signatures without a key id; without it every key of the map is tried',
    ),
}

export type AuthValues<K extends string> = {
  API_KEY?: Secret | undefined
  ADMIN_API_KEY?: Secret | undefined
  HMAC_SECRET?: Secret | undefined
  HMAC_DEFAULT_KEY_ID?: string | undefined
} & { [Name in K]?: ReadonlyMap<string, string> | undefined }

/**
 * What contradicts itself, HMAC_V1, and what `checkSecret` says about each configured credential. `hmacKeys` names the
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
      reads: ['HMAC_DEFAULT_KEY_ID', hmacKeys],
      check: ({ HMAC_DEFAULT_KEY_ID: keyId, [hmacKeys]: keys }) =>
        keyId !== undefined && !keys?.has(keyId)
          ? [{ variable: 'HMAC_DEFAULT_KEY_ID', message: `must name a key of ${hmacKeys}` }]
          : [],
    },
    {
      reads: [hmacKeys],
      find: ({ [hmacKeys]: keys }) =>
        [...(keys?.values() ?? [])].flatMap((key) =>
          checkSecret(hmacKeys, createSecret(key), { minBytes: keyBytesMin }),
        ),
    },
    {
      reads: ['HMAC_SECRET', hmacKeys],
      find: ({ HMAC_SECRET, [hmacKeys]: keys }) =>
        keys || HMAC_SECRET ? [signsWithV1(keys ? hmacKeys : 'HMAC_SECRET')] : [],
    },
  ]
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
  message: 'is not set, nor is any HMAC key, so no caller can be told from another',
  remedy: 'set API_KEY, HMAC_SECRET or the map of HMAC keys',
}

function signsWithV1(variable: string): GateFinding {
  return {
    code: 'HMAC_V1',
    variable,
    message:
      'admits HMAC v1 signatures, which cover neither path nor query and can be repeated for five minutes',
    remedy: 'keep the service on a private network and have callers send the API key as well',
  }
}
