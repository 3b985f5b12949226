import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { mailerFor, messageTo, serverFor, within } from './mailer.fixture.ts'

/** The verbs of a conversation with one accepted message and nothing else. */
const honest = ['EHLO', 'MAIL', 'RCPT', 'DATA']

const hostile = [
  'a@example.com>\r\nRCPT TO:<victim@example.com',
  'a@example.com\r\nDATA',
  'a@example.com\nRSET',
  'a@example.com\rRSET',
  'a@example.com> SIZE=1',
  'a@example.com SMTPUTF8',
  'Ada <a@example.com>',
  ' a@example.com',
  'a@example.com\0',
  'a@example.com\u0085',
  'a@example.com\u2028b@example.com',
]

describe('an envelope address', () => {
  it.each(hostile)('with characters that end a command is refused unsent: %j', async (address) => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    const attempts = [
      await mailer.send(messageTo(address), within(1_000)),
      await mailer.send(messageTo('ada@example.com', { from: address }), within(1_000)),
    ]
    for (const attempt of attempts) expect(attempt).toMatchObject({ outcome: 'not_sent', cause: 'address' })
    expect(server.record.commands.map(({ line }) => line.split(' ')[0])).toEqual(['EHLO'])
  })

  it('that is empty is refused as recipient and is the null sender as sender', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    expect(await mailer.send(messageTo(''), within(1_000))).toMatchObject({ cause: 'address' })
    const attempt = await mailer.send(messageTo('ada@example.com', { from: '' }), within(1_000))
    expect(attempt.outcome).toBe('accepted')
    expect(server.messages[0]?.from).toBe('')
  })

  // GHSA-mm7p-fcc7-pg87: an address list was read differently than it was written, and another mailbox got the mail.
  it('goes out as given, neither split at a comma nor searched for another address', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    for (const to of ['a@example.com,b@example.com', '"v@evil.example"@example.com', 'a@example.com;x']) {
      await mailer.send(messageTo(to), within(1_000))
    }
    expect(server.messages.map(({ to }) => to)).toEqual([
      ['a@example.com,b@example.com'],
      ['"v@evil.example"@example.com'],
      ['a@example.com;x'],
    ])
  })

  it('of any kind gives one RCPT for that very address, or nothing at all', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server)
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), async (to) => {
        const before = { recipients: server.count('RCPT'), messages: server.messages.length }
        const attempt = await mailer.send(messageTo(to), within(1_000))
        const recipients = server.count('RCPT') - before.recipients
        const accepted = server.messages.slice(before.messages)
        if (attempt.outcome !== 'accepted') return recipients === 0 && accepted.length === 0
        return recipients === 1 && accepted.length === 1 && accepted[0]?.to[0] === Buffer.from(to).toString()
      }),
      { numRuns: 200 },
    )
  })
})

describe('settings and sizes', () => {
  // GHSA-vvjj-xcjg-gr5g: line breaks in the client's name became commands of their own.
  it('put no command into EHLO', async () => {
    const server = await serverFor()
    const mailer = mailerFor(server, { clientName: 'me.example\r\nMAIL FROM:<evil@example.com>\r\nDATA' })
    await mailer.send(messageTo('ada@example.com'), within(1_000))
    expect(server.record.commands.map(({ line }) => line.split(' ')[0])).toEqual(honest)
  })

  // GHSA-c7w3-x93f-qmm8: the SIZE parameter took any text.
  it('announce the true number of bytes and nothing more', async () => {
    const server = await serverFor()
    const message = messageTo('ada@example.com')
    await mailerFor(server).send(message, within(1_000))
    expect(server.messages[0]?.mailParameters).toBe(`SIZE=${message.raw.length}`)
  })
})

describe('a message body', () => {
  it.each([
    ['a bare LF', 'x\n.\nMAIL FROM:<evil@example.com>\n'],
    ['a bare CR', 'x\r.\rMAIL FROM:<evil@example.com>\r'],
    ['CRLF', 'x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n'],
  ])('cannot end itself and go on with commands by %s', async (_, text) => {
    const server = await serverFor()
    const { envelope } = messageTo('ada@example.com')
    const attempt = await mailerFor(server).send({ envelope, raw: Buffer.from(text) }, within(1_000))
    expect(attempt.outcome).toBe('accepted')
    expect(server.record.commands.map(({ line }) => line.split(' ')[0])).toEqual(honest)
    expect(server.messages[0]?.raw.toString()).toBe('x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n')
  })
})

describe('a server', () => {
  // GHSA-4ffr-jq9g-5ffx: an AUTH line padded with blanks stalled the event loop.
  it('cannot stall the process with a padded offer', async () => {
    const server = await serverFor()
    server.on('ehlo', { code: 250, text: ['test.example', `AUTH${' '.repeat(8_000)}x`] })
    const startedAt = performance.now()
    await mailerFor(server).send(messageTo('ada@example.com'), within(500))
    expect(performance.now() - startedAt).toBeLessThan(400)
  })

  it('cannot fill the memory with a reply that never ends', async () => {
    const server = await serverFor()
    server.on('mail', { raw: '250-more\r\n'.repeat(10_000) })
    const attempt = await mailerFor(server).send(messageTo('ada@example.com'), within(2_000))
    expect(attempt).toMatchObject({ outcome: 'not_sent', phase: 'mail', cause: 'connection' })
  })
})
