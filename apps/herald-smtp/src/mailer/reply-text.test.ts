import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseOffer, parseQueueId, parseReply } from './reply-text.ts'

describe('parseReply', () => {
  it.each([
    ['550 5.1.1 No such user', { code: 550, enhancedCode: '5.1.1' }],
    ['550-5.1.1 First line\n550 5.1.1 Last line', { code: 550, enhancedCode: '5.1.1' }],
    ['550-Sorry\n550 5.7.1 Policy', { code: 550, enhancedCode: '5.7.1' }],
    ['550 5.1.10', { code: 550, enhancedCode: '5.1.10' }],
    ['550 5.07.001 Leading zeros', { code: 550, enhancedCode: '5.7.1' }],
    ['421', { code: 421 }],
    ['550 4.2.1 Of another class', { code: 550 }],
    ['550 See 5.1.1 in the manual', { code: 550 }],
    ['550 5.1.1.1 Not a code', { code: 550 }],
    ['354 3.0.0 There is no class 3', { code: 354 }],
    ['550 10.1.1.5 An address', { code: 550 }],
  ])('reads %j', (text, codes) => {
    expect(parseReply(text)).toEqual(codes)
  })

  it.each([
    '550 relay not permitted', // Exim
    '554 5.7.1 <u@example.com>: Relay access denied', // Postfix
    '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', // Exchange
    '550 5.7.64 TenantAttribution; Relay Access Denied', // Microsoft 365
    '550 5.7.1 <u@example.com>... Relaying denied', // Sendmail
    '551 Relaying denied <u@example.com>', // Citadel
    '553 Relaying disallowed as codes@herald.example', // Zoho
    '550-Please log in\n550 before you relay',
  ])('hears that we may not relay in %j', (text) => {
    expect(parseReply(text)).toMatchObject({ relayDenied: true })
  })

  it.each([
    '550 No such user here',
    '550 relay-3.example.com: no such user',
    '550 <u@relay.example.com>: no such user',
    '550 <relay@example.com> unknown',
    '550 User unknown in relay recipient table',
    '550 5.1.1 We relay for it, but there is no such user',
    '450 Relay access denied for now',
    '250 relayed',
  ])('does not hear it in %j', (text) => {
    expect(parseReply(text)).not.toHaveProperty('relayDenied')
  })

  it.each(['', 'hello', '55 5.1.1', '5501 x', '999 x', ' 250 ok'])('takes %j for no reply', (text) => {
    expect(parseReply(text)).toBeUndefined()
  })

  it.each(['550-no\n250 ok', '250-ok\n550 no', '250-ok\n2500 ok', '550-no\nno', '550-no\n'])(
    'takes %j for no reply, since its lines contradict each other',
    (text) => {
      expect(parseReply(text)).toBeUndefined()
    },
  )

  it('is not held up by thousands of lines that are none in the end', () => {
    const startedAt = performance.now()
    expect(parseReply(`${'250-\n'.repeat(3_000)}x`)).toBeUndefined()
    expect(performance.now() - startedAt).toBeLessThan(250)
  })

  it('never throws, and an enhanced code always has the class of the basic one', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^[1-6]\d\d[ -]\d\.\d{1,3}\.\d{1,3} x$/)),
        (text) => {
          const { code, enhancedCode = String(code) } = parseReply(text) ?? { code: 0 }
          return enhancedCode[0] === String(code)[0]
        },
      ),
    )
  })
})

describe('parseQueueId', () => {
  it.each([
    ['250 2.0.0 Ok: queued as 4XyZ12abc', '4XyZ12abc'],
    ['250 OK queued as <abc.def>.', 'abc.def'],
    ['250 OK id=1tAbCd-000000004Fg-1xYz', '1tAbCd-000000004Fg-1xYz'],
    [
      '250 2.0.0 OK  1700000000 d2e1a72fcca58-7248a82b3cdsi1234567b3a.12 - gsmtp',
      'd2e1a72fcca58-7248a82b3cdsi1234567b3a.12',
    ],
    [
      '250 2.6.0 <a@b> [InternalId=79169456, Hostname=AM0.example] 9 bytes, Queued mail for delivery',
      '79169456',
    ],
    ['250 2.0.0 49QABCDe012345 Message accepted for delivery', '49QABCDe012345'],
    ['250 ok 1700000000 qp 12345', '12345'],
    ['250 Ok 0100018c2f3a4b5c-1234abcd-000000', '0100018c2f3a4b5c-1234abcd-000000'],
    ['250-2.0.0 Thanks\n250 2.0.0 Ok: queued as 4XyZ', '4XyZ'],
  ])('finds the name in %j', (text, id) => {
    expect(parseQueueId(text)).toBe(id)
  })

  it.each(['250 OK', '250 2.0.0 Great success', '250 Ok: queued as a&b', `250 queued as ${'a'.repeat(129)}`])(
    'finds none in %j',
    (text) => {
      expect(parseQueueId(text)).toBeUndefined()
    },
  )

  it.each(['a-', 'id=', 'Ok: '])('is not held up by a reply of 60000 times %j', (piece) => {
    const startedAt = performance.now()
    parseQueueId(`250 ${piece.repeat(60_000)}`)
    expect(performance.now() - startedAt).toBeLessThan(250)
  })

  it('gives only what is safe to store, log and show', () => {
    const reply = fc
      .tuple(fc.constantFrom('queued as ', 'id=', 'InternalId=', ''), fc.string())
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(reply, (text) => /^[A-Za-z0-9._@-]{1,128}$/.test(parseQueueId(`250 ${text}`) ?? 'none')),
    )
  })
})

describe('parseOffer', () => {
  it('reads what the mailer needs, whatever the case', () => {
    const offer = parseOffer(
      '250-mx.example AUTH SMTPUTF8\n250-auth=login PLAIN\n250-pipelining\n250-Size 1000\n250 smtputf8',
    )
    expect(offer).toEqual({
      authMechanisms: new Set(['LOGIN', 'PLAIN']),
      smtpUtf8: true,
      pipelining: true,
      sizeMax: 1000,
    })
  })

  it.each(['0', '-1', '1e3', '0x10', ''])('takes SIZE %s for no limit', (size) => {
    expect(parseOffer(`250-mx\n250 SIZE ${size}`).sizeMax).toBe(Infinity)
  })

  it.each(['250 mx.example AUTH PLAIN', '250-mx\n250-X-AUTH PLAIN\n250-SIZE\n250 SMTPUTF8X', ''])(
    'takes no name or lookalike for an offer: %j',
    (text) => {
      expect(parseOffer(text)).toEqual({
        authMechanisms: new Set(),
        smtpUtf8: false,
        pipelining: false,
        sizeMax: Infinity,
      })
    },
  )
})
