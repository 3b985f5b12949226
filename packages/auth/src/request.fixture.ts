import { createAuthenticator, type Authenticator, type AuthenticatorOptions } from './authenticate.ts'
import type { HmacKeySettings } from './hmac-keys.ts'
import type { SignedRequest } from './scheme.ts'
import { createSigner } from './signature-v1.ts'

/** What the tests of this package agree on. */
export const nowMs = 1_700_000_000_500
export const apiKey = 'api-key-0123456789abcdefghijklmnopqrst'
export const adminApiKey = 'admin-key-0123456789abcdefghijklmnopqr'
export const hmacSecret = 'hmac-secret-0123456789abcdefghijklmnop'

export function authenticatorOf(options: Partial<AuthenticatorOptions>): Authenticator {
  return createAuthenticator({
    scopes: ['totp:verify', 'totp:status'],
    adminScopes: ['totp:admin'],
    v1GetPaths: ['/v1/status'],
    now: () => nowMs,
    ...options,
  })
}

/** A map of HMAC keys as it is after parsing; a text is the secret alone. */
export function hmacKeysOf(
  keys: Record<string, string | HmacKeySettings>,
): ReadonlyMap<string, HmacKeySettings> {
  return new Map(
    Object.entries(keys).map(([id, key]) => [id, typeof key === 'string' ? { secret: key } : key]),
  )
}

/** A POST to /v1/verify, unless told otherwise; header names are looked up in any case, as HTTP servers do. */
export function requestOf(
  headers: Record<string, string>,
  rest: Partial<Omit<SignedRequest, 'headers' | 'headerNames'>> = {},
): SignedRequest {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    method: 'POST',
    path: '/v1/verify',
    query: '',
    headers: (name) => byName.get(name.toLowerCase()),
    headerNames: () => byName.keys(),
    body: new Uint8Array(),
    ...rest,
  }
}

/** The headers of a signature made `offsetSeconds` from now. */
export function signatureOf(
  body: string | Uint8Array,
  how: { secret?: string; service?: string; keyId?: string; offsetSeconds?: number } = {},
): Record<string, string> {
  const { secret = hmacSecret, service = 'stargate', keyId, offsetSeconds = 0 } = how
  const now = () => nowMs + offsetSeconds * 1000
  return createSigner({ secret, service, ...(keyId === undefined ? {} : { keyId }), now })(Buffer.from(body))
}
