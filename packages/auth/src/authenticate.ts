import type { ApiKeySettings } from './api-key-list.ts'
import { createApiKeyScheme } from './api-key.ts'
import { createHmacKeys, type HmacKeySettings } from './hmac-keys.ts'
import { createHmacScheme } from './hmac.ts'
import { createNoAuthScheme } from './no-auth.ts'
import type { Principal, Scope } from './principal.ts'
import type { AuthRefusal, Nonce, Scheme, SignedRequest } from './scheme.ts'

/** A request that carries a nonce is let in only once that nonce was spent. */
export type Authentication =
  | { ok: true; principal: Principal; nonce?: Nonce }
  | { ok: false; detail: AuthRefusal }

/** Decides from one request alone; synchronous, and it never throws whatever the headers hold. */
export type Authenticator = (request: SignedRequest) => Authentication

export type AuthenticatorOptions = {
  apiKey?: string
  adminApiKey?: string
  hmacSecret?: string
  /** Wins over `hmacSecret`. */
  hmacKeys?: ReadonlyMap<string, HmacKeySettings>
  /** The one key that signatures without a key id are checked against; without it v1 tries all, and v2 wants an id. */
  hmacDefaultKeyId?: string
  /** How far the clock of a v2 signature may be off; 60 unless set. */
  hmacMaxDriftSeconds?: number
  /** The keys that were issued, each with its own rights. */
  apiKeys?: readonly ApiKeySettings[]
  apiKeyPeppers?: ReadonlyMap<string, string>
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

    const [first, apiKey] = outcomes.filter((outcome) => outcome.kind === 'success')
    if (first) {
      const principal = apiKey ? withApiKey(first.principal, apiKey.principal) : first.principal
      return { ok: true, principal, ...(first.nonce && { nonce: first.nonce }) }
    }

    const anonymous = noAuth?.(request)
    if (anonymous?.kind === 'success') return { ok: true, principal: anonymous.principal }
    return { ok: false, detail: 'missing' }
  }
}

/** In the order in which they name the principal when several are right. */
function configuredSchemes(options: AuthenticatorOptions): Scheme[] {
  const { apiKey, adminApiKey, scopes, adminScopes, now } = options
  const { apiKeys = [], apiKeyPeppers = new Map<string, string>() } = options
  const { v1GetPaths = [], hmacMaxDriftSeconds = 60 } = options
  const schemes: Scheme[] = []
  const keys = createHmacKeys(options)
  if (keys) {
    schemes.push(
      createHmacScheme({ keys, scopes, getPaths: v1GetPaths, maxDriftSeconds: hmacMaxDriftSeconds, now }),
    )
  }
  const legacy = [
    ...(adminApiKey === undefined
      ? []
      : [{ id: 'admin', key: adminApiKey, scopes: [...scopes, ...adminScopes] }]),
    ...(apiKey === undefined ? [] : [{ id: 'legacy', key: apiKey, scopes }]),
  ]
  if (legacy.length > 0 || apiKeys.length > 0) {
    schemes.push(createApiKeyScheme({ legacy, issued: apiKeys, peppers: apiKeyPeppers, now }))
  }
  return schemes
}

/** A signature and an API key on one request: it may do what either of them may. */
function withApiKey(signer: Principal, { keyId, scopes }: Principal): Principal {
  const added = scopes.filter((scope) => !signer.scopes.includes(scope))
  return {
    ...signer,
    scopes: added.length === 0 ? signer.scopes : [...signer.scopes, ...added],
    apiKeyId: keyId,
  }
}
