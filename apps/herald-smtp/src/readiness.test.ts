import { describe, expect, it } from 'vitest'
import type { ProbeResult } from './mailer/mailer.ts'
import { createReadiness } from './readiness.ts'

function readinessOf(changes: { pingStore?: () => Promise<void> } = {}) {
  const probes: ((result: ProbeResult) => void)[] = []
  let time = 0
  const readiness = createReadiness({
    upstreams: [{ name: 'main', mailer: { probe: () => new Promise((resolve) => probes.push(resolve)) } }],
    pingStore: () => Promise.resolve(),
    now: () => time,
    ...changes,
  })
  return { ...readiness, probes, wait: (milliseconds: number) => void (time += milliseconds) }
}

describe('readiness', () => {
  it('does not begin before the first look at the upstream has ended', async () => {
    const { ready, probe, probes } = readinessOf()
    const looked = probe()
    expect(await ready()).toMatchObject({ ok: false, checks: { upstream: { status: 'unknown' } } })
    probes[0]?.({ ok: true })
    await looked
    expect(await ready()).toMatchObject({ ok: true, checks: { upstream: { status: 'ok' } } })
  })

  it('looks again after ten seconds, without keeping the one who asks waiting', async () => {
    const { ready, probe, probes, wait } = readinessOf()
    const looked = probe()
    probes[0]?.({ ok: true })
    await looked
    await ready()
    expect(probes).toHaveLength(1)
    wait(10_000)
    expect(await ready()).toMatchObject({ ok: true })
    expect(probes).toHaveLength(2)
    probes[1]?.({ ok: false, phase: 'auth', cause: 'reply', code: 535 })
    await expect.poll(ready).toMatchObject({
      ok: true,
      checks: { upstream: { status: 'down', phase: 'auth', cause: 'reply', smtp_code: 535 } },
    })
  })

  it('ends while the store does not answer', async () => {
    const { ready, probe, probes } = readinessOf({ pingStore: () => Promise.reject(new Error('down')) })
    const looked = probe()
    probes[0]?.({ ok: true })
    await looked
    expect(await ready()).toMatchObject({ ok: false, checks: { store: { status: 'down' } } })
  })
})
