import type { Context, ErrorHandler, Hono, NotFoundHandler } from 'hono'
import { TrieRouter } from 'hono/router/trie-router'
import type { Logger } from './logger.ts'
import { type EdgeReason, Refused } from './refused.ts'
import { isCanonicalPath, requestTarget } from './request-target.ts'
import type { ServiceEnv } from './service-env.ts'

/** Answers a refusal in the app's shape, with the status of the app's table. */
export type RenderRefusal = (
  c: Context<ServiceEnv>,
  reason: EdgeReason,
  publicMessage?: string,
) => Response | Promise<Response>

/**
 * For `app.onError`: renders what was Refused; any other error is a fault of ours, logged here once with its cause, and
 * told to the caller as no more than 503 when the store does not answer, else 500.
 */
export function createErrorHandler(deps: {
  logger: Logger
  render: RenderRefusal
}): ErrorHandler<ServiceEnv> {
  return (error, c) => {
    if (error instanceof Refused) return deps.render(c, note(c, error.reason), error.publicMessage)
    const reason = isStoreUnavailable(error) ? 'unavailable' : 'internal_error'
    deps.logger.error({ request_id: c.get('requestId'), err: error }, 'fault')
    return deps.render(c, note(c, reason))
  }
}

/** For `app.notFound`: 400 for a path in disguise, 404, or 405 with Allow where the path is known under other methods. */
export function createNotFoundHandler(deps: {
  app: Hono<ServiceEnv>
  render: RenderRefusal
}): NotFoundHandler<ServiceEnv> {
  let router: TrieRouter<string> | undefined
  return (c) => {
    if (!isCanonicalPath(requestTarget(c).path)) return deps.render(c, note(c, 'invalid_request'))
    router ??= methodsByPath(deps.app)
    const [matches] = router.match('ALL', c.req.path)
    const methods = new Set(matches.map(([method]) => method))
    if (methods.size === 0) return deps.render(c, note(c, 'not_found'))
    if (methods.has('GET')) methods.add('HEAD')
    c.get('answerHeaders')['Allow'] = [...methods].toSorted().join(', ')
    return deps.render(c, note(c, 'method_not_allowed'))
  }
}

function methodsByPath(app: Hono<ServiceEnv>): TrieRouter<string> {
  const router = new TrieRouter<string>()
  for (const { method, path } of app.routes) if (method !== 'ALL') router.add('ALL', path, method)
  return router
}

/** By its code, since a service without a store does not depend on the package that throws it. */
function isStoreUnavailable(error: Error): boolean {
  return 'code' in error && error.code === 'STORE_UNAVAILABLE'
}

function note(c: Context<ServiceEnv>, reason: EdgeReason): EdgeReason {
  c.get('logFields')['reason'] = reason
  return reason
}
