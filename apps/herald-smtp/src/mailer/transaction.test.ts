import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'
import { beginTransaction, type Outcome } from './transaction.ts'

const message = messageTo('ada@example.com')
const pipelined = ['PIPELINING']

describe('with PIPELINING', () => {
  it('says the envelope in one piece, and the message with its dot in another', async () => {
    const pieces: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1')
        pieces.push(text)
        if (text.startsWith('EHLO')) socket.write('250-test.example\r\n250 PIPELINING\r\n')
        else if (text.startsWith('MAIL')) socket.write('250 Ok\r\n250 Ok\r\n354 Go\r\n')
        else socket.write('250 Ok\r\n')
      })
      socket.write('220 test.example\r\n')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const mailer = mailerFor({ port: (server.address() as AddressInfo).port })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(pieces.slice(1)).toEqual([
      'MAIL FROM:<noreply@herald.example>\r\nRCPT TO:<ada@example.com>\r\nDATA\r\n',
      'To: ada@example.com\r\nSubject: Code\r\n\r\n..hidden\r\n...twice\r\nline\r\n.\r\n',
    ])
  })

  it('gives a server that takes DATA for a refused recipient a message for nobody, and goes on with it', async () => {
    const server = await serverFor({ extensions: pipelined })
    server.on('rcpt', { code: 550, text: '5.1.1 No such user' }, { times: 1 })
    server.on('data', { code: 354, text: 'Go ahead' }, { times: 1 })
    const mailer = mailerFor(server)
    expect(await mailer.send(message, within(1_000))).toMatchObject({
      outcome: 'not_sent',
      phase: 'rcpt',
      code: 550,
    })
    expect((await mailer.send(message, within(1_000))).outcome).toBe('accepted')
    expect(server.record.commands.map(({ line }) => line.split(' ')[0])).toEqual([
      'EHLO',
      'MAIL',
      'RCPT',
      'DATA',
      '.',
      'RSET',
      'MAIL',
      'RCPT',
      'DATA',
    ])
    expect(server.messages).toHaveLength(1)
  })

  it('leaves a server that refuses the sender and wants a message of it', async () => {
    const server = await serverFor({ extensions: pipelined })
    server.on('mail', { code: 550, text: 'Not you' })
    server.on('data', { code: 354, text: 'Go ahead' })
    expect(await mailerFor(server).send(message, within(1_000))).toMatchObject({
      outcome: 'not_sent',
      phase: 'mail',
      code: 550,
    })
    await expect.poll(() => server.connections().open).toBe(0)
    expect(server.record.commands.at(-1)?.line).toBe('DATA')
  })

  it('answers a refusal of the recipient also when nothing follows it', async () => {
    const server = await serverFor({ extensions: pipelined })
    server.on('rcpt', { code: 550, text: '5.1.1 No such user' })
    server.on('data', 'silence')
    expect(await mailerFor(server).send(message, within(100))).toMatchObject({
      outcome: 'not_sent',
      phase: 'rcpt',
      code: 550,
    })
    await expect.poll(() => server.connections().open).toBe(0)
  })

  it.each([
    ['mail', ['mail', 'rcpt']],
    ['rcpt', ['rcpt']],
  ] as const)(
    'takes no complaint about the order of commands for a refusal when a reply is missing, as after a hang at %s',
    async (phase, complaints) => {
      const server = await serverFor({ extensions: pipelined })
      for (const step of complaints) server.on(step, { code: 503, text: '5.5.1 Bad sequence of commands' })
      server.on('data', 'silence')
      expect(await mailerFor(server).send(message, within(100))).toEqual({
        upstream: 'primary',
        outcome: 'not_sent',
        phase,
        cause: 'timeout',
      })
    },
  )
})

describe('a reply that is heard before it is told that the dot has left', () => {
  /** A transaction whose message is with the socket, which says that all of it is unsent. */
  function handedOver() {
    const socket = { writableLength: 0, write: () => true }
    const outcomes: Outcome[] = []
    let closings = 0
    const exchange = beginTransaction(
      message,
      { ms: 1_000, firstReplyMs: 1_000, handOverMs: 1_000 },
      {
        socket: socket as unknown as Socket,
        offer: { authMechanisms: new Set(), smtpUtf8: false, pipelining: true, sizeMax: Infinity },
        close: () => void (closings += 1),
        mayHandOver: () => true,
        observePhase: () => {},
        settle: (outcome) => void outcomes.push(outcome),
      },
    )
    for (const reply of ['250 Ok', '250 Ok', '354 Go']) exchange.hear(reply, true)
    socket.writableLength = message.raw.length
    return { socket, exchange, outcomes, closings: () => closings }
  }

  it('accepts, when the socket says so in the same turn, as TLS does', async () => {
    const { socket, exchange, outcomes, closings } = handedOver()
    exchange.hear('250 Ok: queued as REAL', true)
    socket.writableLength = 0
    await setImmediate()
    expect(outcomes).toEqual([{ outcome: 'accepted', responseId: 'REAL' }])
    expect(closings()).toBe(0)
  })

  it.each([
    ['accepts nothing', '250 Ok', 'unknown'],
    ['refuses', '552 Too big', 'not_sent'],
  ])('%s and ends the connection, when it has not', async (_, reply, outcome) => {
    const { exchange, outcomes, closings } = handedOver()
    exchange.hear(reply, true)
    await setImmediate()
    expect(outcomes).toMatchObject([{ outcome }])
    expect(closings()).toBe(1)
  })

  it.each(['timeout', 'connection', 'reply'] as const)(
    'settles once, as unknown, when a %s comes between, whatever the socket says then',
    async (event) => {
      const { socket, exchange, outcomes, closings } = handedOver()
      exchange.hear('250 Ok', true)
      socket.writableLength = 0
      if (event === 'reply') exchange.hear('550 No', true)
      else exchange.fail(event)
      await setImmediate()
      expect(outcomes).toMatchObject([{ outcome: 'unknown', phase: 'body' }])
      expect(closings()).toBe(1)
    },
  )
})
