import { createTestCertificates, type SmtpAct, type SmtpStep } from '@herald/testing'
import { createSecret } from '@herald/config'
import { beforeAll, describe, expect, it } from 'vitest'

import { judgeAttempt } from '../domain/reply.ts'
import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'
import type { Attempt, Phase } from './mailer.ts'

/** Enough for a handshake on a busy machine; a hang takes all of it. */
const patienceMs = 300
const slackMs = 400
const plain = ['SIZE 10485760']
const pipelined = [...plain, 'PIPELINING']

let certificates: Awaited<ReturnType<typeof createTestCertificates>>
beforeAll(async () => {
  certificates = await createTestCertificates()
})

async function sendOverStarttls(
  extensions: readonly string[],
  step: SmtpStep,
  act: SmtpAct,
): Promise<{ attempt: Attempt; tookMs: number; accepted: number }> {
  const server = await serverFor({
    tls: 'starttls',
    certificate: certificates.valid,
    extensions,
    authMechanisms: ['PLAIN'],
    users: { mailer: 'correct' },
  })
  server.on(step, act)
  const mailer = mailerFor(server, {
    tls: 'required-starttls',
    ca: certificates.ca,
    auth: { user: 'mailer', password: createSecret('correct') },
  })
  const startedAt = performance.now()
  const attempt = await mailer.send(
    messageTo('ada@example.com'),
    within(act === 'silence' || act === 'drip' ? patienceMs : 5_000),
  )
  return { attempt, tookMs: performance.now() - startedAt, accepted: server.messages.length }
}

const faults: readonly [SmtpStep, Phase, string, string][] = [
  // step, phase, cause of a hang, cause of a drop
  ['greeting', 'connect', 'timeout', 'connection'],
  ['ehlo', 'connect', 'timeout', 'connection'],
  ['starttls', 'tls', 'timeout', 'connection'],
  ['handshake', 'tls', 'timeout', 'tls'],
  ['auth', 'auth', 'timeout', 'connection'],
  ['mail', 'mail', 'timeout', 'connection'],
  ['rcpt', 'rcpt', 'timeout', 'connection'],
  ['data', 'data', 'timeout', 'connection'],
]

describe.each([
  ['one command at a time', plain],
  ['pipelined', pipelined],
])('a fault while sending, %s', (_, extensions) => {
  it.each(faults)(
    'at %s is not_sent in phase %s, by %s when the server hangs',
    async (step, phase, cause) => {
      const { attempt, tookMs, accepted } = await sendOverStarttls(extensions, step, 'silence')
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase, cause })
      expect(tookMs).toBeLessThan(patienceMs + slackMs)
      expect(accepted).toBe(0)
    },
  )

  it.each(faults.filter(([step]) => step !== 'handshake'))(
    'at %s is not_sent in phase %s, by %s when the server says a byte now and then and never a reply',
    async (step, phase, cause) => {
      const { attempt, tookMs } = await sendOverStarttls(extensions, step, 'drip')
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase, cause })
      expect(tookMs).toBeLessThan(patienceMs + slackMs)
    },
  )

  it.each(faults)(
    'at %s is not_sent in phase %s when the server drops (hang: %s): %s',
    async (step, phase, _hang, cause) => {
      const { attempt, accepted } = await sendOverStarttls(extensions, step, 'drop')
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase, cause })
      expect(accepted).toBe(0)
    },
  )

  it.each(['silence', 'drip'] as const)('is unknown when no reply is said after the dot: %s', async (act) => {
    const { attempt, tookMs } = await sendOverStarttls(extensions, 'body', act)
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'unknown', phase: 'body', cause: 'timeout' })
    expect(tookMs).toBeLessThan(patienceMs + slackMs)
  })

  it('is unknown when the connection goes after the dot', async () => {
    const { attempt } = await sendOverStarttls(extensions, 'body', 'drop')
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'unknown', phase: 'body', cause: 'connection' })
  })

  it.each(['250 2.0', '250', '550 5.1.1 No such', '421 4.3.2 Closing'])(
    'is unknown when the reply after the dot breaks off at "%s"',
    async (raw) => {
      const { attempt } = await sendOverStarttls(extensions, 'body', { raw, drop: true })
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'unknown', phase: 'body', cause: 'connection' })
    },
  )

  it('is unknown when the reply after the dot is none to a message', async () => {
    const { attempt } = await sendOverStarttls(extensions, 'body', { code: 354, text: 'Go on' })
    expect(attempt).toMatchObject({ outcome: 'unknown', phase: 'body' })
  })

  it.each(['25\r\n', '2500 ok\r\n', '250abc\r\n', '299 hm\r\n', '250-ok\r\n550 no\r\n'])(
    'is unknown when the reply after the dot is %j, which is no 250',
    async (raw) => {
      const { attempt } = await sendOverStarttls(extensions, 'body', { raw })
      expect(attempt).toMatchObject({ outcome: 'unknown', phase: 'body' })
    },
  )

  it.each(['550-no\r\n250 ok\r\n', '550 no\r\n250 ok\r\n', '550 no\r\n250 o'])(
    'is unknown when the refusal after the dot is %j, which contradicts itself',
    async (raw) => {
      const { attempt } = await sendOverStarttls(extensions, 'body', { raw })
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'unknown', phase: 'body', cause: 'connection' })
    },
  )

  it('is accepted whatever the server does with QUIT', async () => {
    const { attempt, accepted } = await sendOverStarttls(extensions, 'quit', 'drop')
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'accepted', responseId: '4TEST1234' })
    expect(accepted).toBe(1)
  })
})

describe('a connection attempt', () => {
  it('that nobody takes is not_sent in phase connect', async () => {
    const server = await serverFor()
    await server.stop().catch(() => {})
    const attempt = await mailerFor(server).send(messageTo('ada@example.com'), within(1_000))
    expect(attempt).toEqual({
      upstream: 'primary',
      outcome: 'not_sent',
      phase: 'connect',
      cause: 'connection',
    })
  })

  it('to a name that does not resolve is not_sent by dns', async () => {
    const mailer = mailerFor({ port: 25 }, { host: 'relay.invalid' })
    const attempt = await mailer.send(messageTo('ada@example.com'), within(2_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'connect', cause: 'dns' })
  })

  it('gives up on the greeting before the deadline, so that a second attempt fits', async () => {
    const server = await serverFor()
    server.on('greeting', 'silence')
    const mailer = mailerFor(server, { timeouts: { greetingMs: 40 } })
    const startedAt = performance.now()
    const attempt = await mailer.send(messageTo('ada@example.com'), within(2_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'connect', cause: 'timeout' })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('leaves no connection behind when its time is up', async () => {
    const server = await serverFor()
    server.on('ehlo', 'silence')
    await mailerFor(server).send(messageTo('ada@example.com'), within(50))
    await expect.poll(() => server.connections().open).toBe(0)
  })

  it('is not made once the deadline has passed', async () => {
    const server = await serverFor()
    const attempt = await mailerFor(server).send(messageTo('ada@example.com'), within(-1))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'queue', cause: 'timeout' })
    expect(server.connections().accepted).toBe(0)
  })
})

const replies: readonly [SmtpStep, number, string, string][] = [
  ['greeting', 421, '4.3.2 Shutting down', 'upstream_down'],
  ['greeting', 421, 'Too many connections', 'throttled'],
  ['greeting', 554, 'No service', 'upstream_down'],
  ['ehlo', 421, '4.7.0 Slow down', 'throttled'],
  ['ehlo', 500, 'What', 'upstream_down'],
  ['starttls', 454, '4.7.0 TLS not available', 'upstream_down'],
  ['starttls', 502, 'Not implemented', 'upstream_down'],
  ['auth', 535, '5.7.8 Wrong', 'upstream_auth'],
  ['auth', 535, '5.7.3 Wrong', 'upstream_auth'],
  ['auth', 534, '5.7.9 Application password required', 'upstream_auth'],
  ['auth', 530, 'Encryption required', 'upstream_auth'],
  ['auth', 454, 'Temporary failure', 'upstream_down'],
  ['auth', 454, '4.7.0 Too many logins', 'throttled'],
  ['mail', 421, '4.7.0 Slow down', 'throttled'],
  ['mail', 451, '4.7.1 Rate exceeded', 'throttled'],
  ['mail', 452, '4.3.1 Disk full', 'upstream_down'],
  ['mail', 452, 'Disk full', 'upstream_down'],
  ['mail', 550, 'Not you', 'sender_refused'],
  ['mail', 553, '5.1.8 Bad sender domain', 'sender_refused'],
  ['mail', 530, '5.7.0 Authentication required', 'upstream_auth'],
  ['mail', 552, '5.3.4 Too big', 'too_large'],
  ['rcpt', 550, '5.1.1 No such user', 'invalid_destination'],
  ['rcpt', 550, 'No such user', 'invalid_destination'],
  ['rcpt', 551, 'Not local', 'invalid_destination'],
  ['rcpt', 553, 'Bad name', 'invalid_destination'],
  ['rcpt', 550, '5.1.10 Null MX', 'invalid_destination'],
  ['rcpt', 550, '5.2.1 Disabled', 'invalid_destination'],
  ['rcpt', 552, '5.2.2 Over quota', 'mailbox_full'],
  ['rcpt', 550, '5.2.2 Over quota', 'mailbox_full'],
  ['rcpt', 552, 'Over quota', 'mailbox_full'],
  ['rcpt', 550, '5.1.7 Bad sender', 'sender_refused'],
  ['rcpt', 450, '4.2.0 Greylisted', 'greylisted'],
  ['rcpt', 451, '4.7.1 Greylisted', 'greylisted'],
  ['rcpt', 450, 'Later', 'greylisted'],
  ['rcpt', 451, '4.3.0 Trouble', 'upstream_down'],
  ['rcpt', 452, '4.2.2 Over quota', 'greylisted'],
  ['rcpt', 421, '4.7.0 Too many', 'throttled'],
  ['rcpt', 550, '5.7.1 Relaying denied', 'policy'],
  ['rcpt', 554, 'No', 'rejected'],
  ['data', 451, '4.3.0 Trouble', 'upstream_down'],
  ['data', 421, 'Closing', 'throttled'],
  ['data', 554, '5.7.1 Policy', 'policy'],
  ['body', 552, '5.3.4 Too big', 'too_large'],
  ['body', 550, '5.7.1 Spam', 'policy'],
  ['body', 550, 'Spam', 'rejected'],
  ['body', 554, 'Transaction failed', 'rejected'],
  ['body', 550, '5.1.1 No such user', 'invalid_destination'],
  ['body', 451, '4.7.1 Too many', 'throttled'],
  ['body', 451, '4.3.0 Trouble', 'upstream_down'],
  ['body', 452, 'Disk full', 'upstream_down'],
  ['body', 421, '4.4.2 Bye', 'throttled'],
]

describe.each([
  ['one command at a time', plain],
  ['pipelined', pipelined],
])('a refusal, %s', (_, extensions) => {
  it.each(replies)('to %s with %i %s is not_sent and means %s', async (step, code, text, reason) => {
    const { attempt, accepted } = await sendOverStarttls(extensions, step, { code, text })
    expect(attempt).toMatchObject({ outcome: 'not_sent', code })
    if (attempt.outcome === 'accepted') throw new Error('accepted')
    expect(judgeAttempt(attempt).reason).toBe(reason)
    expect(accepted).toBe(0)
  })
})

describe('a message', () => {
  it('arrives byte for byte, dots included', async () => {
    const server = await serverFor()
    const message = messageTo('ada@example.com')
    await mailerFor(server).send(message, within(1_000))
    expect(server.messages[0]).toMatchObject({ from: 'noreply@herald.example', to: ['ada@example.com'] })
    expect(server.messages[0]?.raw.equals(message.raw)).toBe(true)
  })

  it('waits for each reply when the server did not offer PIPELINING', async () => {
    const server = await serverFor({ extensions: [] })
    const mailer = mailerFor(server)
    await mailer.send(messageTo('ada@example.com'), within(1_000))
    await mailer.send(messageTo('ada@example.com'), within(1_000))
    expect(server.record.unaskedPipelining).toBe(0)
    expect(server.messages).toHaveLength(2)
  })

  it('does not leave after its deadline, however late the process hears of the 354', async () => {
    const server = await serverFor()
    let pausedMs = 0
    const mailer = mailerFor(server, {}, () => {
      if (server.count('DATA') > 0) pausedMs = 60_000
      return Date.now() + pausedMs
    })
    server.on('data', { delayMs: 20 })
    const attempt = await mailer.send(messageTo('ada@example.com'), within(5_000))
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'data', cause: 'timeout' })
    await expect.poll(() => server.connections().open).toBe(0)
    expect(server.messages).toEqual([])
  })

  it('above the announced SIZE is not_sent without a transaction', async () => {
    const server = await serverFor({ extensions: ['SIZE 10'] })
    const attempt = await mailerFor(server).send(messageTo('ada@example.com'), within(1_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'mail', cause: 'size' })
    expect(server.count('MAIL')).toBe(0)
  })

  it('to an international address is not_sent where SMTPUTF8 is not offered', async () => {
    const server = await serverFor({ extensions: ['8BITMIME'] })
    const message = messageTo('jürgen@example.com')
    const attempt = await mailerFor(server).send(message, within(1_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'mail', cause: 'address' })
    expect(server.count('MAIL')).toBe(0)
  })

  it('to an international address says SMTPUTF8 where it is offered', async () => {
    const server = await serverFor()
    const message = messageTo('jürgen@example.com')
    const attempt = await mailerFor(server).send(message, within(1_000))
    expect(attempt.outcome).toBe('accepted')
    expect(server.messages[0]).toMatchObject({
      to: ['jürgen@example.com'],
      mailParameters: expect.stringContaining('SMTPUTF8'),
    })
  })
})
