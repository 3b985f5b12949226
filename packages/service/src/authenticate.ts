import type { Audit } from '@herald/audit'
import type { AuthRefusal, Authenticator, Nonce, Scope } from '@herald/auth'
import type { Context, MiddlewareHandler } from 'hono'
import type { Metrics } from './metrics.ts'
import { Refused } from './refused.ts'
import { isCanonicalPath, isCanonicalQuery, requestTarget } from './request-target.ts'
import type { ServiceEnv } from './service-env.ts'
import { createTrail } from './trail.ts'

/** Spends a nonce; false when it was spent before. Rejects when the store cannot tell. */
export type SpendNonce = (nonce: Nonce) => Promise<boolean>

/**
 * Comes after `readBody`. Whatever is wrong with the credentials, the caller learns only that they are. Only a request
 * that carries a nonce waits for anything.
 */
export function authenticate(deps: {
  authenticator: Authenticator
  spendNonce: SpendNonce
  metrics: Metrics
  now: () => number
  audit: Pick<Audit, 'record'>
}): MiddlewareHandler<ServiceEnv> {
  const { authenticator, spendNonce, metrics, now, audit } = deps
  const trail = createTrail(audit)

  function refuse(c: Context<ServiceEnv>, detail: AuthRefusal): never {
    const caller = metrics.keyUse.claimed(c.req.header('x-service'))
    metrics.authFailures.inc({ reason: detail, caller })
    trail(c, detail === 'replayed' ? 'replayed' : 'auth_refused', { reason: detail })
    c.get('logFields')['auth'] = detail
    throw new Refused('unauthorized')
  }

  return async (c, next) => {
    const request = signedRequest(c)
    refuseDisguise(request)
    const authentication = authenticator(request)
    if (!authentication.ok) return refuse(c, authentication.detail)
    const { principal, nonce } = authentication
    if (nonce && !(await spendNonce(nonce))) return refuse(c, 'replayed')
    const isNewKey = metrics.keyUse.used(principal, now())
    c.set('principal', principal)
    if (isNewKey) trail(c, 'key_first_used')
    await next()
    if (c.error instanceof Refused && isOfRights(c.error))
      trail(c, 'auth_refused', { reason: whyRefused(c) ?? c.error.reason })
  }
}

/** What a route refuses to a caller who has proven itself. */
function isOfRights({ reason }: Refused): boolean {
  return reason === 'forbidden' || reason === 'unauthorized'
}

/** What a route noted for the log, where the caller is told no more than that it is unauthorized. */
function whyRefused(c: Context<ServiceEnv>): string | undefined {
  return c.get('logFields')['auth'] as string | undefined
}

/** Comes after `authenticate`: Refused `forbidden` unless the caller has that scope. */
export function requireScope(scope: Scope): MiddlewareHandler<ServiceEnv> {
  return async (c, next) => {
    if (!c.get('principal').scopes.includes(scope)) throw new Refused('forbidden')
    await next()
  }
}

type Signed = ReturnType<typeof signedRequest>

/** What is signed as it was spelt is taken in one spelling alone, so that nobody on the way can read it otherwise. */
function refuseDisguise({ path, query, headers }: Signed): void {
  if (!isCanonicalPath(path)) throw new Refused('invalid_request', 'the path is not in its canonical form')
  if (headers('x-signature-version') === 'v2' && !isCanonicalQuery(query)) {
    throw new Refused('invalid_request', 'the query is not in its canonical form')
  }
}

function signedRequest(c: Context<ServiceEnv>) {
  const remoteAddress = c.env?.incoming?.socket.remoteAddress
  const parsed = c.env?.incoming?.headers
  return {
    method: c.req.method,
    ...requestTarget(c),
    // As Node parsed them where there is a socket: to ask the context costs four times as much, and there are ten to ask.
    headers: (name: string) => (parsed ? (parsed[name] as string | undefined) : c.req.header(name)),
    headerNames: () => (parsed ? Object.keys(parsed) : c.req.raw.headers.keys()),
    body: c.get('body'),
    ...(remoteAddress !== undefined && { remoteAddress }),
  }
}
