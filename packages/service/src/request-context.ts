import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { answerHeaders } from './answer.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { createRequestIds, isSaneRequestId } from './request-id.ts'
import type { ServiceEnv } from './service-env.ts'

/**
 * Goes before everything else: gives the request its id, and afterwards writes one log line and one measurement. Neither
 * holds a query, a body or a path that is not a route's pattern.
 */
export function requestContext(deps: {
  logger: Logger
  metrics: Metrics
  now: () => number
  randomBytes: (size: number) => Buffer
}): MiddlewareHandler<ServiceEnv> {
  const { logger, metrics, now } = deps
  const nextRequestId = createRequestIds(deps.randomBytes)
  return async (c, next) => {
    const startedAt = now()
    const stated = c.req.header('x-request-id')
    const requestId = stated !== undefined && isSaneRequestId(stated) ? stated : nextRequestId()
    const logFields: Record<string, unknown> = {}
    c.set('requestId', requestId)
    c.set('answerHeaders', answerHeaders(requestId))
    c.set('logFields', logFields)

    await next()

    const milliseconds = Math.max(0, now() - startedAt)
    const route = routePattern(c)
    const { status } = c.res
    metrics.requestDuration.observe({ route, method: c.req.method, status }, milliseconds / 1000)
    const principal = c.get('principal') as ServiceEnv['Variables']['principal'] | undefined
    logger.info(
      {
        request_id: requestId,
        route,
        method: c.req.method,
        status,
        duration_ms: milliseconds,
        service: principal?.service,
        key_id: principal?.keyId,
        ...logFields,
      },
      'request',
    )
  }
}

/** The pattern of the handler that was found, not of the middlewares on the way to it. */
function routePattern(c: Context<ServiceEnv>): string {
  const last = matchedRoutes(c).at(-1)
  return last === undefined || last.method === 'ALL' ? 'unmatched' : last.path
}
