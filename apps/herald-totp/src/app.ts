import type { Audit } from '@herald/audit'
import type { Authenticator } from '@herald/auth'
import type { Digester, Keyring, Random } from '@herald/crypto'
import {
  authenticate,
  createErrorHandler,
  createNotFoundHandler,
  healthRoutes,
  readBody,
  requestContext,
  createTrail,
  requireScope,
  type Logger,
  type Metrics,
  type RenderRefusal,
  type ServiceEnv,
  type SpendNonce,
} from '@herald/service'
import { Hono } from 'hono'
import type { Canaries } from './domain/canary.ts'
import { createEnrollments, type EnrollmentOptions } from './domain/enrollment.ts'
import { createJudge } from './domain/judgement.ts'
import { createAddressThrottle, type Buckets } from './domain/throttle.ts'
import { createVerification } from './domain/verification.ts'
import { createTotpMetrics } from './metrics.ts'
import { createClientAddress } from './routes/client-address.ts'
import { enrollConfirm } from './routes/enroll-confirm.ts'
import { enrollStart } from './routes/enroll-start.ts'
import { createRouteBinding, type Requests } from './routes/bind-route.ts'
import { refuse } from './routes/refuse.ts'
import { revoke } from './routes/revoke.ts'
import { status } from './routes/status.ts'
import { unlock } from './routes/unlock.ts'
import { verify } from './routes/verify.ts'
import type { TotpStore } from './store/store.ts'

/** The largest body that is read. */
export const bodyBytesMax = 64 * 1024

export type AppDeps = {
  store: TotpStore
  buckets: Buckets
  requests: Requests
  keyring: Keyring
  canaries: Canaries
  digest: Digester
  authenticator: Authenticator
  spendNonce: SpendNonce
  audit: Pick<Audit, 'record'>
  logger: Logger
  metrics: Metrics
  now: () => number
  randomBytes: Random
  isDraining: () => boolean
}

export type AppOptions = {
  name: string
  totp: EnrollmentOptions
  exposeSecret: boolean
  perAddressMinute: number
  isTrustedProxy: (address: string) => boolean
}

/** The service over HTTP; opens nothing. */
export function createApp(deps: AppDeps, options: AppOptions): Hono<ServiceEnv> {
  const { store, keyring, canaries, logger, metrics, isDraining } = deps
  const addresses = createAddressThrottle(deps, { perMinute: options.perAddressMinute })
  const routeDeps = {
    ...deps,
    trail: createTrail(deps.audit),
    addresses,
    enrollments: createEnrollments(deps, options.totp),
    verify: createVerification({ ...deps, addresses, judge: createJudge(deps, options.totp) }),
    clientAddress: createClientAddress(options.isTrustedProxy),
    metrics: createTotpMetrics(metrics.registry),
  }
  const bindRoute = createRouteBinding(deps)
  const render: RenderRefusal = (c, reason, message) => refuse(c, { reason, message })

  async function ready() {
    await Promise.all([store.ping(), store.probeWrite()])
    const problems = await canaries.problems()
    const keys = keyring.keys.map(({ id, state, kcv }) => ({ id, state, kcv }))
    return { ok: problems.length === 0, checks: { primary: keyring.primaryId, keys, problems } }
  }

  const app = new Hono<ServiceEnv>()
  app.use(requestContext(deps))
  app.route('/', healthRoutes({ service: options.name, ready, isDraining, metrics, healthz: 'ready' }))
  app.use('/v1/*', readBody({ bytesMax: bodyBytesMax }), authenticate(deps))
  app.post(
    '/v1/enroll/start',
    bindRoute('enroll/start'),
    requireScope('totp:enroll'),
    enrollStart(routeDeps, options),
  )
  app.post('/v1/enroll/confirm', requireScope('totp:enroll'), enrollConfirm(routeDeps))
  app.post('/v1/verify', requireScope('totp:verify'), verify(routeDeps))
  app.post('/v1/revoke', bindRoute('revoke'), requireScope('totp:revoke'), revoke(routeDeps))
  app.post('/v1/unlock', bindRoute('unlock'), requireScope('totp:admin'), unlock(routeDeps))
  app.get('/v1/status', requireScope('totp:status'), status(deps))
  app.notFound(createNotFoundHandler({ app, render }))
  app.onError(createErrorHandler({ logger, render }))
  return app
}
