import type { Audit } from '@herald/audit'
import type { Authenticator, Scope } from '@herald/auth'
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
import { listTemplates, preview } from './routes/preview.ts'
import { messages } from './routes/messages.ts'
import { refuse } from './routes/refuse.ts'
import { send } from './routes/send.ts'

type Deps = Omit<Parameters<typeof send>[0], 'trail'> &
  Parameters<typeof messages>[0] & {
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
  const guarded = (scope: Scope) =>
    [
      readBody({ bytesMax: options.bodyBytesMax }),
      authenticate({ authenticator, spendNonce, metrics, now, audit }),
      requireScope(scope),
    ] as const
  const app = new Hono<ServiceEnv>()

  app.use(requestContext({ logger, metrics, now, randomBytes }))
  app.route('/', healthRoutes({ service: options.name, ready, isDraining, metrics, healthz: 'always' }))
  app.post('/v1/send', ...guarded('smtp:send'), send({ ...deps, trail: createTrail(audit) }, options))
  app.post('/v1/preview', ...guarded('smtp:admin'), preview(deps))
  app.get('/v1/templates', ...guarded('smtp:admin'), listTemplates)
  app.get('/v1/messages/:id', ...guarded('smtp:read'), messages(deps))
  app.notFound(createNotFoundHandler({ app, render }))
  app.onError(createErrorHandler({ logger, render }))
  return app
}
