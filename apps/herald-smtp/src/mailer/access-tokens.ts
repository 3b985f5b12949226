import { createPrivateKey, sign } from 'node:crypto'
import { createSecret, type Secret } from '@herald/config'

/** How a token endpoint is asked (RFC 6749 section 4.4, RFC 7523 section 2.1). */
export type TokenGrant = { tokenUrl: string; scope: string } & (
  | { type: 'client_credentials'; clientId: string; clientSecret: Secret }
  /** `subject` is the mail account to act for; the service account is asked for anew with each token. */
  | { type: 'jwt_bearer'; subject: string; account: () => ServiceAccount }
)

/** `privateKey` is the PEM text of an RSA key. */
export type ServiceAccount = { issuer: string; keyId?: string; privateKey: Secret }

/** Access tokens of one mail account. */
export type AccessTokens = {
  /** A token that is good for a while yet; a `renewed` one is not taken from memory. Rejects with TokenRefused or a fault. */
  get(options: { renewed: boolean }): Promise<Secret>
}

/** The endpoint answered, and will not give a token for these credentials. */
export class TokenRefused extends Error {
  constructor(status: number) {
    super(`the token endpoint answered ${status}`)
  }
}

/** Renewed so long before it ends that no connection is begun with a token about to expire. */
const marginMs = 60_000
const requestMs = 3_000
const assertionSeconds = 300
const answerBytesMax = 65_536

/** Fetches a token when there is none left; whoever asks meanwhile waits for the same one. */
export function createAccessTokens(grant: TokenGrant, deps: { now: () => number }): AccessTokens {
  const { now } = deps
  let kept: { token: Secret; freshUntil: number } | undefined
  let fetching: Promise<Secret> | undefined

  async function fetchToken(): Promise<Secret> {
    const { token, lifetimeMs } = await requestToken(grant, now)
    // A short-lived one is kept for half its time at least.
    kept = { token, freshUntil: now() + Math.max(lifetimeMs - marginMs, lifetimeMs / 2) }
    return token
  }

  return {
    async get({ renewed }) {
      if (renewed) kept = undefined
      if (kept && now() < kept.freshUntil) return kept.token
      fetching ??= fetchToken().finally(() => (fetching = undefined))
      return fetching
    },
  }
}

async function requestToken(grant: TokenGrant, now: () => number) {
  const response = await fetch(grant.tokenUrl, {
    method: 'POST',
    body: formOf(grant, now),
    headers: { Accept: 'application/json' },
    // A redirect would carry the credential elsewhere.
    redirect: 'error',
    signal: AbortSignal.timeout(requestMs),
  })
  if (response.status >= 400 && response.status < 500 && response.status !== 429) {
    await response.body?.cancel()
    throw new TokenRefused(response.status)
  }
  const text = await readText(response)
  if (!response.ok) throw new Error('the token endpoint does not work')
  return readAnswer(text)
}

/** Gives up, and reads no further, as soon as the answer is too long for one. */
async function readText(response: Response): Promise<string> {
  const body: AsyncIterable<Uint8Array> | Uint8Array[] = response.body ?? []
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > answerBytesMax) throw new Error('the token endpoint answers at too great length')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function readAnswer(text: string): { token: Secret; lifetimeMs: number } {
  const answer = JSON.parse(text) as { access_token?: unknown; expires_in?: unknown } | null
  const token = answer?.access_token
  const seconds = Number(answer?.expires_in ?? 300)
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || !(seconds > 0)) {
    throw new Error('the token endpoint gave no token')
  }
  return { token: createSecret(token), lifetimeMs: seconds * 1000 }
}

function formOf(grant: TokenGrant, now: () => number): URLSearchParams {
  if (grant.type === 'jwt_bearer') {
    return new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: signAssertion(grant, Math.floor(now() / 1000)),
    })
  }
  const { clientId, clientSecret, scope } = grant
  const client = { client_id: clientId, client_secret: clientSecret.reveal() }
  return new URLSearchParams({ grant_type: 'client_credentials', ...client, scope })
}

function signAssertion(
  { subject, scope, tokenUrl, account }: Extract<TokenGrant, { type: 'jwt_bearer' }>,
  issuedAt: number,
): string {
  const { issuer, keyId, privateKey } = account()
  const header = { alg: 'RS256', typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) }
  const times = { iat: issuedAt, exp: issuedAt + assertionSeconds }
  const claims = { iss: issuer, sub: subject, scope, aud: tokenUrl, ...times }
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const signed = `${encode(header)}.${encode(claims)}`
  const signature = sign('RSA-SHA256', Buffer.from(signed), createPrivateKey(privateKey.reveal()))
  return `${signed}.${signature.toString('base64url')}`
}
