import type { Audit } from '@herald/audit'
import type { Authenticator } from '@herald/auth'
import {
  authenticate,
  createErrorHandler,
  createNotFoundHandler,
  createTrail,
  healthRoutes,
  readBody,
  requestContext,
  requireScope,
  type Logger,
  type Metrics,
  type Readiness,
  type RenderRefusal,
  type ServiceEnv,
  type SpendNonce,
} from '@herald/service'
import { Hono } from 'hono'
import { refuse } from './routes/refuse.ts'
import { send } from './routes/send.ts'

type Deps = Omit<Parameters<typeof send>[0], 'trail'> & {
  audit: Pick<Audit, 'record'>
  authenticator: Authenticator
  spendNonce: SpendNonce
  logger: Logger
  serviceMetrics: Metrics
  ready: () => Promise<Readiness>
  isDraining: () => boolean
}

type Options = Parameters<typeof send>[1] & { name: string; bodyBytesMax: number }

/** The HTTP side: opens nothing, and answers each refusal of the middlewares in the shape of the contract. */
export function createApp(deps: Deps, options: Options): Hono<ServiceEnv> {
  const { authenticator, spendNonce, logger, serviceMetrics: metrics, now, randomBytes } = deps
  const { ready, isDraining, audit } = deps
  const render: RenderRefusal = (c, reason, message) => refuse(c, reason, { message })
  const app = new Hono<ServiceEnv>()

  app.use(requestContext({ logger, metrics, now, randomBytes }))
  app.route('/', healthRoutes({ service: options.name, ready, isDraining, metrics, healthz: 'always' }))
  app.post(
    '/v1/send',
    readBody({ bytesMax: options.bodyBytesMax }),
    authenticate({ authenticator, spendNonce, metrics, now, audit }),
    requireScope('smtp:send'),
    send({ ...deps, trail: createTrail(audit) }, options),
  )
  app.notFound(createNotFoundHandler({ app, render }))
  app.onError(createErrorHandler({ logger, render }))
  return app
}
