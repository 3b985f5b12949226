import { createTestCertificates, type SmtpServer } from '@herald/testing'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'

const message = messageTo('ada@example.com')
const pipelined = ['PIPELINING']
const forged = '250 2.0.0 Ok: queued as FORGED\r\n'

const verbs = (server: SmtpServer) => server.record.commands.map(({ line }) => line.split(' ')[0])

describe.each([
  ['one command at a time', []],
  ['pipelined', pipelined],
])('a reply that answers nothing, %s', (_, extensions) => {
  it.each([
    ['a whole one', forged],
    ['the beginning of one', '250 2.0.0 Ok: queued'],
    ['a refusal', '550 5.1.1 No such user\r\n'],
  ])('together with the 354 keeps the message here: %s', async (_kind, stray) => {
    const server = await serverFor({ extensions })
    server.on('data', { raw: `354 Go ahead\r\n${stray}` })
    const attempt = await mailerFor(server).send(message, within(1_000))
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'data', cause: 'connection' })
    await expect.poll(() => server.connections().open).toBe(0)
    expect(server.messages).toEqual([])
  })

  it.each([
    ['greeting', '220 test.example ESMTP\r\n'],
    ['ehlo', '250 test.example\r\n'],
  ] as const)('is followed by no further command: after the %s', async (step, reply) => {
    const server = await serverFor({ extensions })
    server.on(step, { raw: reply + forged })
    const attempt = await mailerFor(server).send(message, within(1_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', cause: 'connection' })
    expect(verbs(server)).toEqual(step === 'greeting' ? [] : ['EHLO'])
  })

  it.each([
    ['mail', '250 2.1.0 Ok\r\n', forged],
    ['mail', '250 2.1.0 Ok\r\n', '421 4.3.2 Closing\r\n'],
    ['rcpt', '250 2.1.5 Ok\r\n', forged],
  ] as const)(
    'is not read as the one to a later command: behind that to %s, %s%s',
    async (step, reply, stray) => {
      const server = await serverFor({ extensions })
      server.on(step, { raw: reply + stray })
      const attempt = await mailerFor(server).send(message, within(1_000))
      expect(attempt.outcome).toBe('not_sent')
      await expect.poll(() => server.connections().open).toBe(0)
      expect(server.messages).toEqual([])
    },
  )

  it('ends a connection behind a message that was accepted, and passes for no reply to the next one', async () => {
    const server = await serverFor({ extensions })
    server.on(
      'body',
      { raw: `250 2.0.0 Ok: queued as REAL\r\n${forged.repeat(2)}354 Go\r\n${forged}` },
      { times: 1 },
    )
    const mailer = mailerFor(server, { connectionsMax: 1 })
    const attempts = await Promise.all([message, message].map((each) => mailer.send(each, within(1_000))))
    expect(attempts).toEqual([
      { upstream: 'primary', outcome: 'accepted', responseId: 'REAL' },
      { upstream: 'primary', outcome: 'accepted', responseId: '4TEST1234' },
    ])
    expect(server.connections().accepted).toBe(2)
    expect(server.messages).toHaveLength(2)
  })

  it('takes nothing from a refusal before it', async () => {
    const server = await serverFor({ extensions })
    server.on('rcpt', { raw: '550 5.1.1 No such user\r\n250 2.1.5 Or was there\r\n' }, { times: 1 })
    const mailer = mailerFor(server)
    const refused = await mailer.send(message, within(1_000))
    expect(refused.outcome).toBe('not_sent')
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.messages).toHaveLength(1)
  })
})

it.each(['250 Ok\r\n', '3\r\n', '3541 Go\r\n', '354Go\r\n', '334 \r\n', 'Go ahead\r\n'])(
  'only 354 has the message handed over, not %j, after which it would be read as commands',
  async (raw) => {
    const server = await serverFor({ extensions: [] })
    server.on('data', { raw })
    const attempt = await mailerFor(server).send(message, within(1_000))
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'data', cause: 'connection' })
    await expect.poll(() => server.connections().open).toBe(0)
    expect(verbs(server)).toEqual(['EHLO', 'MAIL', 'RCPT', 'DATA'])
  },
)

it.each(['2\r\n', '2xx\r\n', '2500 Ok\r\n', '950 Ok\r\n'])(
  'what is no reply, like %j, is taken for none',
  async (raw) => {
    for (const step of ['mail', 'rcpt'] as const) {
      const server = await serverFor({ extensions: [] })
      server.on(step, { raw })
      const attempt = await mailerFor(server).send(message, within(1_000))
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: step, cause: 'connection' })
    }
  },
)

it('a kept connection is not held open by a server that sends blank lines without end', async () => {
  const server = await serverFor()
  const mailer = mailerFor(server)
  await mailer.send(message, within(1_000))
  server.say('\r\n'.repeat(100_000))
  await expect.poll(() => mailer.stats().idle).toBe(0)
  expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
})

describe('what is said before the handshake', () => {
  it.each(['250-injected\r\n250 AUTH PLAIN\r\n', '250 AUTH PLAIN', '220 Ready\r\n'])(
    'in one packet with the answer to STARTTLS is taken for no word of the server, which is left: %j',
    async (injected) => {
      const { ca, valid } = await createTestCertificates()
      const server = await serverFor({ tls: 'starttls', certificate: valid })
      server.on('starttls', { raw: `220 Ready\r\n${injected}` })
      const mailer = mailerFor(server, { tls: 'required-starttls', ca })
      const attempt = await mailer.send(message, within(1_000))
      expect(attempt).toEqual({ upstream: 'primary', outcome: 'not_sent', phase: 'tls', cause: 'connection' })
      expect(verbs(server)).toEqual(['EHLO', 'STARTTLS'])
    },
  )
})

describe('a reply to a message that has not left', () => {
  /** More than sockets hold back, so that its dot is still here while the server reads nothing. */
  const large = { ...message, raw: Buffer.from(`Subject: Code\r\n\r\n${'x'.repeat(70)}\r\n`.repeat(200_000)) }

  /** Answers everything at once, and reads nothing of the message before its verdict. */
  async function hastyServer(verdict: string) {
    const received: Buffer[] = []
    const answer = (socket: Socket) => (chunk: Buffer) => {
      received.push(chunk)
      const verb = chunk.toString('latin1', 0, 4)
      if (['EHLO', 'MAIL', 'RCPT'].includes(verb)) socket.write('250 test.example\r\n')
      if (verb !== 'DATA') return
      socket.write('354 Go ahead\r\n')
      socket.pause()
      setTimeout(() => socket.write(verdict, () => socket.resume()), 50)
    }
    const server = createServer((socket) => {
      socket.on('data', answer(socket)).on('error', () => socket.destroy())
      socket.write('220 test.example\r\n')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return { port: (server.address() as AddressInfo).port, received: () => Buffer.concat(received) }
  }

  it('accepts nothing: the outcome is unknown, since part of it has left', async () => {
    const server = await hastyServer('250 2.0.0 Ok: queued as FORGED\r\n')
    const attempt = await mailerFor(server).send(large, within(4_000))
    expect(attempt).toEqual({ upstream: 'primary', outcome: 'unknown', phase: 'body', cause: 'connection' })
    expect(server.received().includes('\r\n.\r\n')).toBe(false)
  })

  it('refuses it, and neither the rest of it nor a command follows', async () => {
    const server = await hastyServer('552 5.3.4 Too big\r\n')
    const mailer = mailerFor(server)
    const attempt = await mailer.send(large, within(4_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'body', code: 552, enhancedCode: '5.3.4' })
    expect(mailer.stats()).toMatchObject({ idle: 0, busy: 0 })
    expect(server.received().includes('\r\n.\r\n')).toBe(false)
    expect(server.received().includes('RSET')).toBe(false)
  })
})
