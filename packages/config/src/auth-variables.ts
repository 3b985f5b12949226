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

/** `hmacKeys` names the service's variable that holds the map of HMAC keys. */
export function authRule<K extends string>(hmacKeys: K): VariableRule<AuthValues<K>> {
  return {
    reads: ['API_KEY', 'ADMIN_API_KEY', 'HMAC_DEFAULT_KEY_ID', hmacKeys],
    check: (values) => {
      const keyId = values.HMAC_DEFAULT_KEY_ID
      const unknownId = keyId !== undefined && !values[hmacKeys]?.has(keyId)
      const sameKey =
        values.ADMIN_API_KEY !== undefined && values.ADMIN_API_KEY.reveal() === values.API_KEY?.reveal()
      return [
        ...(unknownId
          ? [{ variable: 'HMAC_DEFAULT_KEY_ID', message: `must name a key of ${hmacKeys}` }]
          : []),
        ...(sameKey ? [{ variable: 'ADMIN_API_KEY', message: 'must differ from API_KEY' }] : []),
      ]
    },
  }
}

/** NO_AUTH, HMAC_V1 and what `checkSecret` says about each configured credential. */
export function authFindings<K extends string>(values: AuthValues<K>, hmacKeys: K): GateFinding[] {
  const { API_KEY, ADMIN_API_KEY, HMAC_SECRET } = values
  const keys = [...(values[hmacKeys] ?? new Map<string, string>()).values()]
  const secrets: [string, Secret | undefined][] = [
    ['API_KEY', API_KEY],
    ['ADMIN_API_KEY', ADMIN_API_KEY],
    ['HMAC_SECRET', HMAC_SECRET],
    ...keys.map((key): [string, Secret] => [hmacKeys, createSecret(key)]),
  ]
  const findings = secrets.flatMap(([variable, secret]) =>
    secret ? checkSecret(variable, secret, { minBytes: keyBytesMin }) : [],
  )
  const hmacVariable = keys.length > 0 ? hmacKeys : 'HMAC_SECRET'
  const hasHmac = keys.length > 0 || HMAC_SECRET !== undefined
  if (hasHmac) findings.push(signsWithV1(hmacVariable))
  if (!hasHmac && API_KEY === undefined) findings.push(noAuth)
  return findings
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
