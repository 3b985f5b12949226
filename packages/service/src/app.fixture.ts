import { answerJson } from './answer.ts'
import { randomBytes } from 'node:crypto'
import type { Authenticator, Principal } from '@herald/auth'
import { Hono } from 'hono'
import { z } from 'zod'
import { authenticate, requireScope, type SpendNonce } from './authenticate.ts'
import { createErrorHandler, createNotFoundHandler, type RenderRefusal } from './error-handler.ts'
import { healthRoutes, type Readiness } from './health-routes.ts'
import { createLogger, type Logger } from './logger.ts'
import { createMetrics } from './metrics.ts'
import { parseJson, parseQuery } from './parse-request.ts'
import { readBody } from './read-body.ts'
import type { EdgeReason } from './refused.ts'
import { requestContext } from './request-context.ts'
import type { ServiceEnv } from './service-env.ts'
import type { DescribeRefusal } from './wire-refusal.ts'

const statuses = {
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  request_timeout: 408,
  method_not_allowed: 405,
  body_too_large: 413,
  unsupported_media_type: 415,
  headers_too_large: 431,
  internal_error: 500,
  unavailable: 503,
  busy: 503,
} as const satisfies Record<EdgeReason, number>

export const describeRefusal: DescribeRefusal = (reason, requestId, retryAfterSeconds) => ({
  status: statuses[reason],
  body: { ok: false, reason, retry_after_seconds: retryAfterSeconds, request_id: requestId },
})

const render: RenderRefusal = (c, reason, message) =>
  answerJson(c, { ok: false, reason, message, request_id: c.get('requestId') }, statuses[reason])

export const principal: Principal = {
  service: 'stargate',
  keyId: 'k1',
  scheme: 'api-key',
  scopes: ['totp:verify'],
}

/** Lets in whoever shows `X-API-Key: right`. */
const byKey: Authenticator = ({ headers }) =>
  headers('x-api-key') === 'right' ? { ok: true, principal } : { ok: false, detail: 'bad_key' }

/** Keeps the lines of a logger as objects. */
export function createLogLines(): { logger: Logger; lines: Record<string, unknown>[]; text: () => string } {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>)
  return {
    logger: createLogger({ service: 'herald-test', level: 'info', destination: { write } }),
    lines,
    text: () => JSON.stringify(lines),
  }
}

/** An app with every middleware of this package, in the order in which a service has them. */
export function createTestApp(
  options: {
    authenticator?: Authenticator
    spendNonce?: SpendNonce
    ready?: () => Promise<Readiness>
    isDraining?: () => boolean
    healthz?: 'ready' | 'always'
  } = {},
) {
  const { logger, lines, text } = createLogLines()
  const metrics = createMetrics({ service: 'herald-test' })
  const app = new Hono<ServiceEnv>()
  app.use(requestContext({ logger, metrics, now: () => Date.now(), randomBytes }))
  app.route(
    '/',
    healthRoutes({
      service: 'herald-test',
      ready: options.ready ?? (() => Promise.resolve({ ok: true, checks: {} })),
      isDraining: options.isDraining ?? (() => false),
      metrics,
      healthz: options.healthz ?? 'ready',
    }),
  )
  app.use(
    '/v1/*',
    readBody({ bytesMax: 1024 }),
    authenticate({
      authenticator: options.authenticator ?? byKey,
      spendNonce: options.spendNonce ?? (() => Promise.resolve(true)),
      metrics,
      now: () => Date.now(),
      audit: { record: () => {} },
    }),
  )
  const fields = z.object({ subject: z.string().min(1).max(64), count: z.number().optional() })
  app.post('/v1/echo', (c) => answerJson(c, parseJson(c, fields)))
  app.post('/v1/strict', (c) => answerJson(c, parseJson(c, z.strictObject({ subject: z.string() }))))
  app.get('/v1/status', (c) => answerJson(c, parseQuery(c, fields)))
  app.get('/v1/messages/:id', (c) => answerJson(c, { id: c.req.param('id') }))
  app.delete('/v1/messages/:id', (c) => answerJson(c, {}))
  app.post('/v1/size', (c) => answerJson(c, { bytes: c.get('body').length }))
  app.post('/v1/admin', requireScope('totp:admin'), (c) => answerJson(c, {}))
  app.post('/v1/allowed', requireScope('totp:verify'), (c) => answerJson(c, {}))
  app.post('/v1/fault', () => {
    throw new Error('the marker of a fault', { cause: new Error('its cause') })
  })
  app.post('/v1/down', () => {
    throw Object.assign(new Error('no answer'), { code: 'STORE_UNAVAILABLE' })
  })
  app.onError(createErrorHandler({ logger, render }))
  app.notFound(createNotFoundHandler({ app, render }))
  return { app, lines, text, metrics, logger }
}

/** The headers and the body of a request that every check lets through. */
export function jsonRequest(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': 'right', ...headers },
    body: text,
  }
}
