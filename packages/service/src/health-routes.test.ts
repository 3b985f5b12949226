import { Gauge } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { createTestApp } from './app.fixture.ts'

const ready = () => Promise.resolve({ ok: true, checks: { store: 'ok' } })
const notReady = () => Promise.resolve({ ok: false, checks: { store: 'no answer' } })
const broken = () => Promise.reject(new Error('no answer'))
const statuses = async (options: Parameters<typeof createTestApp>[0]) => {
  const { app } = createTestApp(options)
  const paths = ['/livez', '/healthz', '/readyz', '/metrics']
  return Promise.all(paths.map(async (path) => (await app.request(path)).status))
}

describe('healthRoutes', () => {
  it.each([
    ['ready', { ready }, [200, 200, 200, 200]],
    ['not ready', { ready: notReady }, [200, 503, 503, 200]],
    ['unable to tell', { ready: broken }, [200, 503, 503, 200]],
    ['draining', { ready, isDraining: () => true }, [200, 503, 503, 200]],
    ['not ready, with healthz for life alone', { ready: notReady, healthz: 'always' }, [200, 200, 503, 200]],
  ] as const)('when %s', async (_, options, expected) => {
    expect(await statuses(options)).toEqual(expected)
  })

  it('names status, service and checks', async () => {
    const { app } = createTestApp({ ready })
    expect(await (await app.request('/livez')).json()).toEqual({ status: 'ok', service: 'herald-test' })
    expect(await (await app.request('/healthz')).json()).toEqual({
      status: 'ok',
      service: 'herald-test',
      checks: { store: 'ok' },
    })
  })

  it('exposes the process and the service in the format of Prometheus', async () => {
    const { app } = createTestApp()
    const response = await app.request('/metrics')
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await response.text()).toMatch(/process_cpu_seconds_total\{service="herald-test"\}/)
  })

  it('renders the metrics once for all who ask at the same time, and anew for who asks later', async () => {
    const { app, metrics } = createTestApp()
    let rendered = 0
    const collect = () => void (rendered += 1)
    metrics.registry.registerMetric(
      new Gauge({ name: 'rendered', help: 'Renderings', registers: [], collect }),
    )
    const ask = async () => (await app.request('/metrics')).text()
    const texts = await Promise.all(Array.from({ length: 50 }, ask))
    expect([new Set(texts).size, rendered]).toEqual([1, 1])
    metrics.authFailures.inc({ reason: 'missing' })
    expect(await ask()).toMatch(/auth_failures_total\{reason="missing".*\} 1/)
  })
})
