import { describe, expect, it } from 'vitest'

import { breakerOf } from './delivery.fixture.ts'
import { mailerFor, messageTo, serverFor } from '../mailer/mailer.fixture.ts'
import { createDelivery } from './delivery.ts'

const message = messageTo('ada@example.com')
const toNobody = { code: 550, text: '5.1.1 No such user' }

async function deliverTo(
  script: (server: Awaited<ReturnType<typeof serverFor>>) => void,
  budgetMs = 2_000,
  { greetingMs = 3_000, random = 0 } = {},
) {
  const server = await serverFor()
  script(server)
  const mailer = mailerFor(server, { timeouts: { greetingMs } })
  const upstream = { name: 'primary', mailer, breaker: breakerOf(mailer) }
  const deliver = createDelivery({ upstreams: [upstream], now: Date.now, random: () => random })
  const startedAt = performance.now()
  const delivery = await deliver(async () => message, { deadline: Date.now() + budgetMs, caller: 'herald' })
  return { delivery, server, tookMs: performance.now() - startedAt }
}

describe('deliver', () => {
  it('reports the upstream and its name for the message', async () => {
    const { delivery } = await deliverTo(() => {})
    expect(delivery).toEqual({ ok: true, upstream: 'primary', upstreamResponseId: '4TEST1234' })
  })

  it.each([
    ['greeting', 'drop'],
    ['greeting', { code: 421, text: '4.3.2 Not now', drop: true }],
    ['mail', { code: 452, text: '4.3.1 Disk full' }],
    ['rcpt', 'drop'],
    ['data', { code: 451, text: '4.3.0 Trouble' }],
    ['body', { code: 421, text: '4.7.0 Slow down', drop: true }],
  ] as const)('tries once more when %s failed in passing: %j', async (step, act) => {
    const { delivery, server } = await deliverTo((on) => on.on(step, act, { times: 1 }))
    expect(delivery.ok).toBe(true)
    expect(server.messages).toHaveLength(1)
  })

  it('tries twice at most', async () => {
    const { delivery, server } = await deliverTo((on) => on.on('greeting', 'drop'))
    expect(delivery).toEqual({
      ok: false,
      upstream: 'primary',
      phase: 'connect',
      reason: 'upstream_down',
      outcome: 'not_sent',
      permanent: false,
    })
    expect(server.connections().accepted).toBe(2)
  })

  it.each(['silence', 'drop'] as const)('never tries again after unknown: %s after the dot', async (act) => {
    const { delivery, server } = await deliverTo((on) => on.on('body', act), 400)
    expect(delivery).toEqual({
      ok: false,
      upstream: 'primary',
      phase: 'body',
      reason: 'timeout_unknown',
      outcome: 'unknown',
      permanent: false,
    })
    expect(server.count('DATA')).toBe(1)
  })

  it.each([
    ['a permanent refusal', toNobody, 'invalid_destination'],
    ['greylisting', { code: 450, text: '4.2.0 Greylisted' }, 'greylisted'],
    ['a full mailbox', { code: 552, text: '5.2.2 Full' }, 'mailbox_full'],
  ] as const)('does not repeat %s', async (_, act, reason) => {
    const { delivery, server } = await deliverTo((on) => on.on('rcpt', act))
    expect(delivery).toMatchObject({ ok: false, reason, outcome: 'not_sent', smtpCode: act.code })
    expect(server.count('RCPT')).toBe(1)
  })

  it('reports the codes and never the text of the server', async () => {
    const { delivery } = await deliverTo((on) => on.on('rcpt', toNobody))
    expect(delivery).toEqual({
      ok: false,
      upstream: 'primary',
      phase: 'rcpt',
      reason: 'invalid_destination',
      outcome: 'not_sent',
      permanent: true,
      smtpCode: 550,
      enhancedCode: '5.1.1',
    })
  })

  it.each(['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'body'] as const)(
    'answers by the deadline though the server hangs at %s',
    async (step) => {
      const { delivery, tookMs } = await deliverTo((on) => on.on(step, 'silence'), 300, { greetingMs: 60 })
      const outcome = step === 'body' ? 'unknown' : 'not_sent'
      expect(delivery).toMatchObject({ ok: false, reason: `timeout_${outcome}`, outcome })
      expect(tookMs).toBeLessThan(600)
    },
  )

  it('does not begin a second attempt that no time is left for', async () => {
    const { delivery, server, tookMs } = await deliverTo((on) => on.on('greeting', 'drop'), 290, {
      random: 1,
    })
    expect(delivery).toMatchObject({ ok: false, reason: 'upstream_down' })
    expect(server.connections().accepted).toBe(1)
    expect(tookMs).toBeLessThan(290)
  })
})
