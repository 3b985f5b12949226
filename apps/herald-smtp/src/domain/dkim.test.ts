import fc from 'fast-check'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import PostalMime from 'postal-mime'
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createComposer, templates } from './content.ts'
import { createDkimSigner } from './dkim.ts'
import { createMessageBuilder } from './message.ts'
import { parseRecipient } from './recipient.ts'
import { compileLayout } from './templates/layout.ts'
import { defaultLayout } from './templates/default-layout.ts'

const buildMessage = createMessageBuilder()
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const sign = createDkimSigner({ domain: 'herald.example', selector: 'k1', key: privateKey })
const compose = createComposer({
  brand: { name: 'Herald', logo: 'H', color: '#2563eb' },
  layout: compileLayout(defaultLayout),
})
const from = { address: 'noreply@herald.example', domain: 'herald.example', name: 'Herald' }
const letterTo = (address: string) => {
  const to = parseRecipient(address)
  if (to === undefined) throw new Error(`${address} is no address`)
  return { from, to, messageId: 'abc@herald.example', sentAt: Date.UTC(2026, 0, 2, 3, 4, 5) }
}

/** What a receiver that never saw this code says about the signature. */
async function verdictOn(message: Buffer): Promise<string | undefined> {
  const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`
  const resolver = async (name: string) => {
    if (name !== 'k1._domainkey.herald.example') throw Object.assign(new Error('none'), { code: 'ENOTFOUND' })
    return [[record]]
  }
  const { results } = await dkimVerify(message, { resolver })
  const [result] = results
  expect(results).toHaveLength(1)
  expect(result?.signingDomain).toBe('herald.example')
  return result?.status.result
}

const mails = templates.flatMap(({ name, locales }) => locales.map((locale) => [name, locale] as const))

describe('a signed mail', () => {
  it.each(mails)('of the template %s in %s is read back unchanged and verifies', async (template, locale) => {
    const params = { code: '482913', expires_in: '300', product: 'Größe «ق»' }
    const content = compose({ template, locale, params })
    const signed = await sign(buildMessage({ ...letterTo('u@x.example'), ...content }))

    const mail = await PostalMime.parse(signed)
    expect(mail.subject).toBe(content.subject)
    expect(mail.text?.trimEnd()).toBe(content.text)
    expect(mail.html?.trimEnd()).toBe(content.html.trimEnd())
    expect(mail.text).toContain('482913')
    expect(await verdictOn(signed)).toBe('pass')
  })

  it('verifies whatever the text, and whatever the script of the address', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.stringMatching(/^[ \t\r\na=]{0,60}$/),
    )
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom('u@x.example', '用户à@例え.jp'), async (words, to) => {
        const content = { subject: `a  b ${words.replaceAll(/\p{Cc}/gu, '')}`, text: words, html: words }
        expect(await verdictOn(await sign(buildMessage({ ...letterTo(to), ...content })))).toBe('pass')
      }),
      { numRuns: 60 },
    )
  })

  it('keeps its lines short and the bytes of the message', async () => {
    const message = buildMessage({ ...letterTo('u@x.example'), ...compose({ body: 'Hello' }) })
    const signed = await sign(message)
    expect(signed.subarray(-message.length)).toEqual(message)
    const added = signed.toString('latin1', 0, signed.length - message.length).split('\r\n')
    expect(added.at(-1)).toBe('')
    for (const line of added) expect(line.length).toBeLessThanOrEqual(78)
  })

  it('no longer verifies once a word is changed or a header is added', async () => {
    const signed = await sign(
      buildMessage({ ...letterTo('u@x.example'), ...compose({ body: 'Code 482913' }) }),
    )
    const source = signed.toString('latin1')
    const tampered = [
      source.replace('482913', '482914'),
      source.replace('To: u@x.example', 'To: v@x.example'),
      source.replace('Auto-Submitted: auto-generated', 'Auto-Submitted: no'),
      ...[
        'From: a@b.example',
        'Subject: Other',
        'Reply-To: a@b.example',
        'Cc: a@b.example',
        'To: a@b.example',
      ].map((line) => `${line}\r\n${source}`),
      source.replace('\r\nMIME-Version', '\r\nContent-Type: text/plain\r\nMIME-Version'),
    ]
    for (const text of tampered) {
      expect(text).not.toBe(source)
      expect(await verdictOn(Buffer.from(text, 'latin1'))).not.toBe('pass')
    }
  })

  it('signs a body of a hundred thousand empty lines without delay', async () => {
    const empty = compose({ body: '\n'.repeat(100_000) })
    const message = buildMessage({ ...letterTo('u@x.example'), ...empty })
    const started = performance.now()
    const signed = await sign(message)
    expect(performance.now() - started).toBeLessThan(1000)
    expect(await verdictOn(signed)).toBe('pass')
  })
})
