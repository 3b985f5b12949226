import type { Authenticator, Scope } from '@herald/auth'
import type { Context, MiddlewareHandler } from 'hono'
import type { Metrics } from './metrics.ts'
import { Refused } from './refused.ts'
import type { ServiceEnv } from './service-env.ts'

/** Comes after `readBody`. Whatever is wrong with the credentials, the caller learns only that they are. */
export function authenticate(deps: {
  authenticator: Authenticator
  metrics: Metrics
}): MiddlewareHandler<ServiceEnv> {
  return async (c, next) => {
    const authentication = deps.authenticator(signedRequest(c))
    if (!authentication.ok) {
      deps.metrics.authFailures.inc({ reason: authentication.detail })
      c.get('logFields')['auth'] = authentication.detail
      throw new Refused('unauthorized')
    }
    c.set('principal', authentication.principal)
    await next()
  }
}

export function requireScope(scope: Scope): MiddlewareHandler<ServiceEnv> {
  return async (c, next) => {
    if (!c.get('principal').scopes.includes(scope)) throw new Refused('forbidden')
    await next()
  }
}

function signedRequest(c: Context<ServiceEnv>) {
  const target = rawTarget(c)
  const mark = target.indexOf('?')
  const remoteAddress = c.env?.incoming?.socket.remoteAddress
  return {
    method: c.req.method,
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    headers: (name: string) => c.req.header(name),
    headerNames: () => c.req.raw.headers.keys(),
    body: c.get('body'),
    ...(remoteAddress !== undefined && { remoteAddress }),
  }
}

/** Path and query as they came over the wire, before anything decoded them. */
export function rawTarget(c: Context<ServiceEnv>): string {
  const { url } = c.req
  return c.env?.incoming?.url ?? url.slice(url.indexOf('/', url.indexOf('://') + 3))
}
