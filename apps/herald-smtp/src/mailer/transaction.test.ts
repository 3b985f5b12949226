import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'

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
})
