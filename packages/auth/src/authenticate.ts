import { createApiKeyScheme } from './api-key.ts'
import { createHmacKeys } from './hmac-keys.ts'
import { createHmacV1Scheme } from './hmac-v1.ts'
import { createNoAuthScheme } from './no-auth.ts'
import type { Principal, Scope } from './principal.ts'
import type { AuthRefusal, Scheme, SignedRequest } from './scheme.ts'
import { knownVersionsOnly } from './signature-version.ts'

export type Authentication = { ok: true; principal: Principal } | { ok: false; detail: AuthRefusal }

/** Decides from one request alone; synchronous, and it never throws whatever the headers hold. */
export type Authenticator = (request: SignedRequest) => Authentication

export type AuthenticatorOptions = {
  apiKey?: string
  adminApiKey?: string
  hmacSecret?: string
  /** Wins over `hmacSecret`. */
  hmacKeys?: ReadonlyMap<string, string>
  /** The one key of `hmacKeys` that signatures without a key id are checked against; without it, all of them. */
  hmacDefaultKeyId?: string
  /** What a legacy key or a signature may do. */
  scopes: readonly Scope[]
  /** What the admin key may do beyond that. */
  adminScopes: readonly Scope[]
  /** Where a v1 signature is good for a GET: it covers neither path nor query. */
  v1GetPaths?: readonly string[]
  /** Peers that may send mail without any credential; never a request that a proxy has marked. */
  allowNoAuthFrom?: (address: string) => boolean
  now: () => number
}

/**
 * Every configured method that a request presents must be right, and at least one must be. A method with nothing
 * configured for it is ignored. Throws a TypeError on keys that can prove nothing: empty ones, an admin key equal to
 * the ordinary one, a default key id that is not in the map.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const credentialSchemes = configuredSchemes(options)
  const noAuth = options.allowNoAuthFrom && createNoAuthScheme({ allowFrom: options.allowNoAuthFrom })

  return (request) => {
    const outcomes = credentialSchemes.map((scheme) => scheme(request))
    const wrong = outcomes.find((outcome) => outcome.kind === 'failure')
    if (wrong) return { ok: false, detail: wrong.detail }

    const proven = outcomes.flatMap((outcome) => (outcome.kind === 'success' ? [outcome.principal] : []))
    const [first] = proven
    if (first) return { ok: true, principal: { ...first, scopes: scopesOf(proven) } }

    const anonymous = noAuth?.(request)
    if (anonymous?.kind === 'success') return { ok: true, principal: anonymous.principal }
    return { ok: false, detail: 'missing' }
  }
}

/** In the order in which they name the principal when several are right. */
function configuredSchemes(options: AuthenticatorOptions): Scheme[] {
  const { apiKey, adminApiKey, scopes, adminScopes, v1GetPaths = [], now } = options
  const schemes: Scheme[] = [knownVersionsOnly]
  const hmacKeys = createHmacKeys(options)
  if (hmacKeys) schemes.push(createHmacV1Scheme({ keys: hmacKeys, scopes, getPaths: v1GetPaths, now }))
  const keys = [
    ...(adminApiKey === undefined
      ? []
      : [{ id: 'admin', key: adminApiKey, scopes: [...scopes, ...adminScopes] }]),
    ...(apiKey === undefined ? [] : [{ id: 'legacy', key: apiKey, scopes }]),
  ]
  if (keys.length > 0) schemes.push(createApiKeyScheme(keys))
  return schemes
}

function scopesOf(principals: readonly Principal[]): readonly Scope[] {
  return [...new Set(principals.flatMap((principal) => principal.scopes))]
}
