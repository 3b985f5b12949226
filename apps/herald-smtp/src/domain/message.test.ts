import fc from 'fast-check'
import MailComposer from 'nodemailer/lib/mail-composer'
import PostalMime from 'postal-mime'
import { describe, expect, it } from 'vitest'
import { createMessageBuilder, type Letter } from './message.ts'
import { parseRecipient } from './recipient.ts'

const buildMessage = createMessageBuilder()
const to = parseRecipient('u@x.example')
if (to === undefined) throw new Error('the test address is well-formed')

const letter: Letter = {
  from: { address: 'noreply@herald.example', domain: 'herald.example' },
  to,
  subject: 'Your code',
  text: 'Use 123456 to log in.',
  html: '<p>Use 123456 to log in.</p>',
  messageId: 'abc@herald.example',
  sentAt: Date.UTC(2026, 0, 2, 3, 4, 5),
}

const read = (raw: Buffer) => PostalMime.parse(raw)

/** The same letter through nodemailer's own composer: the reference. */
const compose = ({ from, subject, text, messageId, sentAt }: Letter): Promise<Buffer> =>
  new MailComposer({
    from: from.name === undefined ? from.address : { name: from.name, address: from.address },
    to: to.address,
    subject,
    text,
    messageId: `<${messageId}>`,
    date: new Date(sentAt),
  })
    .compile()
    .build()

// Anything a person can write, but no control characters and no half surrogate pairs, which the route refuses.
const character = fc.oneof(
  fc.constantFrom(...'=?"\\<>@.,;: -_&\'', '=?utf-8?Q?a?=', 'é', '验', '😀', 'ا', 'Ж'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 2 }),
)
const line = fc.string({ unit: character, maxLength: 120 })
const word = line.filter((text) => text !== '' && text.trim() === text && !/[\p{Cc}\u2028\u2029]/u.test(text))
const paragraph = fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n'))

describe('buildMessage', () => {
  it('carries each header once', () => {
    const [head = ''] = buildMessage({
      ...letter,
      from: { ...letter.from, name: 'Herald "2FA"', replyTo: 'help@herald.example' },
    })
      .toString()
      .split('\r\n\r\n')
    expect(head.split('\r\n')).toEqual([
      'From: "Herald \\"2FA\\""',
      ' <noreply@herald.example>',
      'To: u@x.example',
      'Reply-To: help@herald.example',
      'Subject: Your code',
      'Date: Fri, 02 Jan 2026 03:04:05 +0000',
      'Message-ID: <abc@herald.example>',
      'X-Entity-Ref-ID: abc@herald.example',
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      'Content-Type: multipart/alternative; boundary="=_herald_alternative"',
    ])
  })

  it('reads like what nodemailer composes from the same letter', async () => {
    // nodemailer lets a ready-made encoded-word through, here it is text like any other.
    const plain = word.filter((text) => !text.includes('=?'))
    await fc.assert(
      fc.asyncProperty(
        plain,
        paragraph,
        fc.option(plain, { nil: undefined }),
        async (subject, text, name) => {
          const written = { ...letter, subject, text, from: { ...letter.from, ...(name && { name }) } }
          const [ours, reference] = await Promise.all([
            read(buildMessage(written)),
            compose(written).then((raw) => read(raw)),
          ])
          expect(ours.from).toEqual(reference.from)
          expect(ours.subject).toBe(reference.subject)
          expect(ours.to).toEqual(reference.to)
          expect(ours.date).toBe(reference.date)
          expect(ours.messageId).toBe(reference.messageId)
          expect(ours.text?.trimEnd()).toBe((reference.text ?? '').trimEnd())
        },
      ),
      { numRuns: 300 },
    )
  })

  it('brings subject, name and text to the reader unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(word, paragraph, word, async (subject, text, name) => {
        const mail = await read(buildMessage({ ...letter, subject, text, from: { ...letter.from, name } }))
        expect(mail.subject).toBe(subject)
        expect(mail.from?.name).toBe(name)
        // The reader adds the line break that ends its last line.
        expect(mail.text?.replace(/\n$/, '')).toBe(text.replaceAll(/\r\n|\r/g, '\n'))
      }),
      { numRuns: 300 },
    )
  })

  it('keeps every line short and ASCII, ends each with CRLF, and adds no header and no part', async () => {
    await fc.assert(
      fc.asyncProperty(
        word,
        fc.string({ unit: 'binary', maxLength: 3000 }),
        word,
        async (subject, text, name) => {
          const raw = buildMessage({ ...letter, subject, text, html: text, from: { ...letter.from, name } })
          const source = raw.toString('latin1')
          expect(source.replaceAll('\r\n', '')).toMatch(/^[\x20-\x7e\t]*$/)
          expect(Math.max(...source.split('\r\n').map((each) => each.length))).toBeLessThanOrEqual(78)
          expect(source.split('--=_herald_alternative')).toHaveLength(4)
          expect((await read(raw)).headers.map(({ key }) => key)).toEqual([
            'from',
            'to',
            'subject',
            'date',
            'message-id',
            'x-entity-ref-id',
            'auto-submitted',
            'mime-version',
            'content-type',
          ])
        },
      ),
      { numRuns: 200 },
    )
  })

  it('reads the same whether or not some of its lines are encoded beforehand', () => {
    fc.assert(
      fc.property(fc.array(paragraph), fc.array(fc.nat(4)), paragraph, (blocks, picks, between) => {
        const lines = blocks.map((block) => `${block}\n`)
        const html = picks.map((pick) => lines[pick] ?? between).join('')
        const raws = [createMessageBuilder(lines), buildMessage].map((build) => build({ ...letter, html }))
        const [source, reference] = raws.map((raw) => raw.toString('latin1'))
        expect(source?.replaceAll('=\r\n', '')).toBe(reference?.replaceAll('=\r\n', ''))
        expect(Math.max(...(source ?? '').split('\r\n').map((each) => each.length))).toBeLessThanOrEqual(78)
      }),
      { numRuns: 300 },
    )
  })

  it('cannot be ended by a boundary in the text', async () => {
    const text = 'a\n--=_herald_alternative--\n\n--=_herald_alternative\nContent-Type: text/plain\n\nb'
    const mail = await read(buildMessage({ ...letter, text, html: text }))
    expect(mail.text?.trimEnd()).toBe(text)
    expect(mail.html?.trimEnd()).toBe(text)
    expect(mail.attachments).toEqual([])
  })
})
