import type { SmtpServer, SmtpStep } from '@herald/testing'
import { describe, expect, it } from 'vitest'

import { mailerFor, messageTo, serverFor, type MailerChanges } from '../mailer/mailer.fixture.ts'
import type { BreakerOptions } from './breaker.ts'
import { breakerOf } from './delivery.fixture.ts'
import { createDelivery, type Delivery } from './delivery.ts'

const deadlineMs = 1_500
/** What a busy machine may add. */
const slackMs = 500

async function twoUpstreams({
  changes = {},
  breaker = {},
}: { changes?: MailerChanges; breaker?: Partial<BreakerOptions> } = {}) {
  const servers = [await serverFor(), await serverFor()] as [SmtpServer, SmtpServer]
  const upstreamOf = (name: string, server: SmtpServer) => {
    const mailer = mailerFor(server, { ...changes, name })
    return { name, mailer, breaker: breakerOf(mailer, breaker) }
  }
  const upstreams = [upstreamOf('a', servers[0]), upstreamOf('b', servers[1])] as const
  const deliver = createDelivery({ upstreams, now: Date.now, random: () => 0 })
  const times: number[] = []
  async function send(to: string): Promise<Delivery> {
    const startedAt = performance.now()
    const compose = async () => messageTo(to)
    const delivery = await deliver(compose, { deadline: Date.now() + deadlineMs, caller: 'herald' })
    times.push(performance.now() - startedAt)
    return delivery
  }
  const sendMany = (count: number, prefix = 'u') =>
    Promise.all(Array.from({ length: count }, (_, n) => send(`${prefix}${n}@example.com`)))
  const received = () => servers.flatMap(({ messages }) => messages.flatMap(({ to }) => to))
  return {
    a: servers[0],
    b: servers[1],
    breakers: upstreams.map((each) => each.breaker),
    send,
    sendMany,
    received,
    times,
  }
}

const upstreamsOf = (deliveries: readonly Delivery[]) => [
  ...new Set(deliveries.map(({ upstream }) => upstream)),
]
const once = (received: readonly string[]) => expect(received.length).toBe(new Set(received).size)

describe('failover', () => {
  it('uses the first upstream as long as it works', async () => {
    const { sendMany, b } = await twoUpstreams()
    expect(upstreamsOf(await sendMany(10))).toEqual(['a'])
    expect(b.connections().accepted).toBe(0)
  })

  it('loses no mail and sends none twice when the first upstream is killed under load', async () => {
    const { a, sendMany, received, times } = await twoUpstreams()
    await sendMany(4, 'before')
    const sending = sendMany(60)
    await expect.poll(() => a.count('MAIL'), { interval: 1 }).toBeGreaterThan(10)
    await a.stop()
    const deliveries = await sending
    const taken = received()
    once(taken)
    // Mail that was on its way when the server died is unknown, and not sent again; all other mail went out.
    for (const [n, delivery] of deliveries.entries()) {
      if (!delivery.ok) expect(delivery.outcome).toBe('unknown')
      else expect(taken).toContain(`u${n}@example.com`)
    }
    expect(deliveries.filter(({ upstream, ok }) => ok && upstream === 'b').length).toBeGreaterThan(20)
    expect(Math.max(...times)).toBeLessThan(deadlineMs + slackMs)
    await serverFor({ port: a.port }).then((revived) => revived.stop())
  })

  it.each(['greeting', 'ehlo', 'mail', 'rcpt', 'data'] as const)(
    'goes to the second upstream in time when the first one stalls at %s',
    async (step: SmtpStep) => {
      const { a, sendMany, received, times } = await twoUpstreams()
      a.on(step, 'silence')
      const deliveries = await sendMany(8)
      expect(deliveries.every(({ ok, upstream }) => ok && upstream === 'b')).toBe(true)
      expect(received()).toHaveLength(8)
      once(received())
      expect(Math.max(...times)).toBeLessThan(deadlineMs + slackMs)
    },
  )

  it('never goes on after unknown, and leaves such an upstream alone', async () => {
    const { a, b, sendMany, send, breakers } = await twoUpstreams()
    a.on('body', 'silence')
    const deliveries = await sendMany(5)
    expect(deliveries.every((each) => !each.ok && each.outcome === 'unknown')).toBe(true)
    expect(b.messages).toHaveLength(0)
    expect(breakers[0]?.state()).toBe('open')
    expect(await send('next@example.com')).toMatchObject({ ok: true, upstream: 'b' })
  })

  it('goes on when the first upstream is full', async () => {
    const { a, sendMany, received, breakers } = await twoUpstreams({
      changes: { connectionsMax: 1, queueMax: 2 },
    })
    a.on('body', { delayMs: 50 })
    const deliveries = await sendMany(6)
    expect(deliveries.filter(({ ok, upstream }) => ok && upstream === 'b')).toHaveLength(3)
    expect(received()).toHaveLength(6)
    once(received())
    expect(breakers[0]?.state()).toBe('closed')
  })

  it('goes on when the disk of the first upstream is full', async () => {
    const { a, send } = await twoUpstreams()
    a.on('mail', { code: 452, text: '4.3.1 Insufficient system storage' })
    expect(await send('u@example.com')).toMatchObject({ ok: true, upstream: 'b' })
  })

  it.each([
    ['an unknown recipient', { code: 550, text: '5.1.1 No such user' }, 'invalid_destination'],
    ['a full mailbox', { code: 552, text: '5.2.2 Full' }, 'mailbox_full'],
    ['greylisting', { code: 450, text: '4.2.0 Greylisted' }, 'greylisted'],
    ['a policy', { code: 550, text: '5.7.1 Message refused' }, 'policy'],
  ] as const)(
    'asks nobody else about %s, and does not hold it against the upstream',
    async (_, act, reason) => {
      const { a, b, sendMany, breakers } = await twoUpstreams()
      a.on('rcpt', act)
      const deliveries = await sendMany(8)
      expect(deliveries.every((each) => !each.ok && each.reason === reason)).toBe(true)
      expect(b.connections().accepted).toBe(0)
      expect(breakers[0]?.state()).toBe('closed')
    },
  )

  it.each([
    { code: 554, text: '5.7.1 <u@example.com>: Relay access denied' },
    { code: 550, text: 'relay not permitted' },
  ])('goes on when the first upstream does not relay for us: $code $text', async (act) => {
    const { a, send, breakers } = await twoUpstreams()
    a.on('rcpt', act)
    expect(await send('u@example.com')).toMatchObject({ ok: true, upstream: 'b' })
    expect(breakers[0]?.state()).toBe('closed')
  })

  it('comes back to the first upstream by a probe, and takes the way of the second until then', async () => {
    const { a, b, send, sendMany, breakers } = await twoUpstreams({
      breaker: { failuresMax: 3, openMsMin: 20 },
    })
    a.on('greeting', { code: 421, text: '4.3.2 Not now', drop: true })
    await sendMany(3)
    expect(breakers[0]?.state()).toBe('open')
    expect(await send('meanwhile@example.com')).toMatchObject({ ok: true, upstream: 'b' })
    a.behave()
    await expect.poll(() => breakers[0]?.state()).toBe('half_open')
    const before = b.messages.length
    expect(await send('back@example.com')).toMatchObject({ ok: true, upstream: 'a' })
    expect(breakers[0]?.state()).toBe('closed')
    expect(b.messages).toHaveLength(before)
  })

  it('says that nothing was sent, and in time, when both are down', async () => {
    const { a, b, sendMany, times, breakers } = await twoUpstreams()
    await Promise.all([a.stop(), b.stop()])
    for (const [n, round] of [await sendMany(6), await sendMany(6)].entries()) {
      for (const delivery of round) {
        expect(delivery).toMatchObject({ ok: false, reason: 'upstream_down', outcome: 'not_sent' })
        if (n === 1) expect(delivery).toHaveProperty('retryAfterSeconds')
      }
    }
    expect(breakers.map((breaker) => breaker.state())).toEqual(['open', 'open'])
    expect(Math.max(...times)).toBeLessThan(deadlineMs + slackMs)
    await Promise.all([serverFor({ port: a.port }), serverFor({ port: b.port })])
  })

  it('is over by the deadline when both stall', async () => {
    const { a, b, send, times } = await twoUpstreams()
    a.on('rcpt', 'silence')
    b.on('rcpt', 'silence')
    expect(await send('u@example.com')).toMatchObject({ reason: 'timeout_not_sent', outcome: 'not_sent' })
    expect(times[0]).toBeLessThan(deadlineMs + slackMs)
  })
})
