import { Refused, type Metrics, type ServiceEnv } from '@herald/service'
import type { MiddlewareHandler } from 'hono'
import { requestTtlSeconds } from '../domain/throttle.ts'

/** Routes whose bodies can be equal. */
type BoundRoute = 'enroll/start' | 'unlock' | 'revoke'

/** Keeps the first value of a key; atomic, and throws when the store cannot be relied on. */
export type Requests = {
  putIfAbsent(key: string, value: string, ttlSeconds: number, now: number): Promise<{ value: string }>
}

type Deps = { requests: Requests; metrics: Pick<Metrics, 'authFailures' | 'keyUse'>; now: () => number }

/**
 * A v1 signature covers no path, so it is good for the route that sees it first and unauthorized on the others. Comes
 * right after authentication: whatever else the first route refuses the request for, it stays bound.
 */
export function createRouteBinding({ requests, metrics, now }: Deps) {
  return (route: BoundRoute): MiddlewareHandler<ServiceEnv> =>
    async (c, next) => {
      const { signature } = c.get('principal')
      if (signature !== undefined) {
        const digest = signature.toString('base64url')
        const first = await requests.putIfAbsent(digest, route, requestTtlSeconds, now())
        if (first.value !== route) {
          const caller = metrics.keyUse.claimed(c.get('principal').service)
          metrics.authFailures.inc({ reason: 'other_route', caller })
          c.get('logFields')['auth'] = 'other_route'
          throw new Refused('unauthorized')
        }
      }
      await next()
    }
}
