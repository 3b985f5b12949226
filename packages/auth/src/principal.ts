export const scopes = [
  'totp:enroll',
  'totp:verify',
  'totp:revoke',
  'totp:status',
  'totp:admin',
  'smtp:send',
  'smtp:read',
  'smtp:admin',
] as const

export type Scope = (typeof scopes)[number]

/** What operators do: no signature and no legacy key ever comes with one of these. */
export const adminScopes = ['totp:admin', 'smtp:admin'] as const satisfies readonly Scope[]

/** Who a request is from, as far as its credentials prove it, and what that caller may do. */
export type Principal = {
  /**
   * What idempotency and limits are scoped to: the signed X-Service or the one a key is bound to, else `scheme:keyId`,
   * which holds a colon and can therefore never be claimed by a signature.
   */
  service: string
  keyId: string
  scheme: 'api-key' | 'hmac-v1' | 'hmac-v2' | 'anonymous'
  scopes: readonly Scope[]
  /** The API key that stood beside the signature and was right too; its scopes are among these. */
  apiKeyId?: string
  /** Identifies one hmac-v1 request: the same bytes again are the same request again. Never the signature itself. */
  signature?: Buffer
}

/** Names a caller that states no service. */
export function unnamedService(scheme: Principal['scheme'], keyId: string): string {
  return `${scheme}:${keyId}`
}
