import { setImmediate } from 'node:timers/promises'
import { type Context, Hono } from 'hono'
import { answerJson, answerText } from './answer.ts'
import type { Metrics } from './metrics.ts'
import type { ServiceEnv } from './service-env.ts'

export type Readiness = { ok: boolean; checks: Record<string, unknown> }

const paths = new Set<string | undefined>(['/livez', '/healthz', '/readyz', '/metrics'])

/** Whether a request target is one that is answered however much there is to do. */
export function isProbe(target: string | undefined): boolean {
  return paths.has(target)
}

/**
 * What probes and scrapers ask for without credentials. `/livez` and `/metrics` touch nothing but this process;
 * `healthz` says whether `/healthz` follows `/readyz` or always answers 200. A `ready` that throws is not ready.
 */
export function healthRoutes(options: {
  service: string
  ready: () => Promise<Readiness>
  isDraining: () => boolean
  metrics: Metrics
  healthz: 'ready' | 'always'
}): Hono<ServiceEnv> {
  const { service, metrics } = options
  const alive = (c: Context<ServiceEnv>) => answerJson(c, { status: 'ok', service })
  const readiness = async (c: Context<ServiceEnv>) => {
    if (options.isDraining()) return answerJson(c, { status: 'draining', service }, 503)
    const { ok, checks } = await options.ready().catch((): Readiness => ({ ok: false, checks: {} }))
    return answerJson(c, { status: ok ? 'ok' : 'unavailable', service, checks }, ok ? 200 : 503)
  }
  const rendered = shareRendering(metrics)
  return new Hono<ServiceEnv>()
    .get('/livez', alive)
    .get('/healthz', options.healthz === 'always' ? alive : readiness)
    .get('/readyz', readiness)
    .get('/metrics', async (c) =>
      answerText(c, await rendered(), { contentType: metrics.registry.contentType }),
    )
}

/**
 * One rendering for all requests of a turn of the event loop, since none costs more that asks for no credentials. It
 * begins after the last of them, so that it shows what happened before each.
 */
function shareRendering({ registry }: Metrics): () => Promise<string> {
  let rendering: Promise<string> | undefined
  const render = async () => {
    await setImmediate()
    rendering = undefined
    return registry.metrics()
  }
  return () => (rendering ??= render())
}
