import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRecipient } from './recipient.ts'

const accepted: [string, string][] = [
  ['u@x.example', 'u@x.example'],
  ['First.Last+tag@Sub.X.Example', 'First.Last+tag@sub.x.example'],
  ["!#$%&'*+/=?^_`{|}~-@x.example", "!#$%&'*+/=?^_`{|}~-@x.example"],
  ['1@2.example', '1@2.example'],
  ['u@3com.example', 'u@3com.example'],
  ['u@a--b.example', 'u@a--b.example'],
  ['u@r3---sn.example', 'u@r3---sn.example'],
  [`${'l'.repeat(64)}@x.example`, `${'l'.repeat(64)}@x.example`],
  [`u@${'d'.repeat(63)}.example`, `u@${'d'.repeat(63)}.example`],
  ['u@bücher.example', 'u@xn--bcher-kva.example'],
  ['u@BÜCHER.example', 'u@xn--bcher-kva.example'],
  ['u@xn--bcher-kva.example', 'u@xn--bcher-kva.example'],
  ['u@faß.example', 'u@xn--fa-hia.example'],
  ['u@例え。jp', 'u@xn--r8jz45g.jp'],
]

const refused = [
  '',
  '@',
  'u',
  'u@',
  '@x.example',
  'u@x',
  'u@localhost',
  'u@x..example',
  'u@.x.example',
  'u@x.example.',
  'u@-x.example',
  'u@x-.example',
  'u@x_y.example',
  '.u@x.example',
  'u.@x.example',
  'u..u@x.example',
  'u u@x.example',
  ' u@x.example',
  'u@x.example ',
  'u@x. example',
  'a@b@x.example',
  'u@x.example,v@y.example',
  'u@x.example;v@y.example',
  'u,v@x.example',
  'group:u@x.example;',
  '<u@x.example>',
  'U <u@x.example>',
  '"U" <u@x.example>',
  '"u"@x.example',
  '"u@x.example"',
  '"u@v.example"@x.example',
  'u\\@x.example',
  'u(comment)@x.example',
  '(comment)u@x.example',
  'u@x.example(comment)',
  'u@(comment)x.example',
  'u@x.example\r\n<v@y.example>',
  'u@x.example\r\nBcc: v@y.example',
  'u@x.example\nDATA',
  'u\r@x.example',
  'u\0@x.example',
  'u@x\0.example',
  'u@x\t.example',
  '\u007fu@x.example',
  '\u0085u@x.example',
  'u@[127.0.0.1]',
  'u@[IPv6:::1]',
  'u@127.0.0.1',
  'u@127.1',
  'u@0x7f.1',
  'u@x.0x1',
  'u@１２７.0.0.1',
  'u@x.123',
  'u@x%2eexample.example',
  'u@ex%61mple.example',
  'u@ü%2e.example',
  'u@x/y.example',
  'u@x?y.example',
  'u@x#y.example',
  'u@ü#.example',
  'u@ü/.example',
  'u@x:25.example',
  'u@xn--.example',
  'u@xn--a.example',
  'u@xn--0.example',
  'u@xn--fo-.example',
  'u@a\u200db.example',
  `${'l'.repeat(65)}@x.example`,
  `${'é'.repeat(33)}@x.example`,
  `u@${'d'.repeat(64)}.example`,
  `u@${'ü'.repeat(60)}.example`,
  `${'l'.repeat(64)}@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}.example`,
  'u＠x.example',
  'u，v@x.example',
  'ｕ@x.example',
  'u\u202e@x.example',
  'u\u200b@x.example',
  'u\u00a0@x.example',
  'u\u115f@x.example',
  'u\u034f@x.example',
  'u\ufe0f@x.example',
  '\ud800@x.example',
  'u@\ud800.example',
  'u%v.example@x.example@y.example',
]

describe('parseRecipient', () => {
  it.each(accepted)('accepts %s', (text, address) => {
    expect(parseRecipient(text)).toMatchObject({ address, smtpUtf8: false })
  })

  it.each(refused)('refuses %j', (text) => {
    expect(parseRecipient(text)).toBeUndefined()
  })

  it('asks for SMTPUTF8 when the local part is not ASCII, and composes it', () => {
    expect(parseRecipient('用户@x.example')).toMatchObject({ address: '用户@x.example', smtpUtf8: true })
    expect(parseRecipient('e\u0301@x.example')).toMatchObject({ address: 'é@x.example', smtpUtf8: true })
  })

  const hostile = fc.string({
    unit: fc.oneof(
      fc.constantFrom(
        ...'u@.x-_,;:<>()[]"\\%/?# \t\r\n\0',
        'xn--',
        '。',
        '＠',
        'ü',
        '例',
        '\u0301',
        '\u200d',
        '\ud800',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    maxLength: 40,
  })

  it('never throws, and what it accepts is one plain address that parses to itself', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.tuple(hostile, hostile).map(([a, b]) => `${a}@${b}.example`),
        ),
        (text) => {
          const recipient = parseRecipient(text)
          if (recipient === undefined) return
          expect(recipient.address).not.toMatch(/[\p{C}\s,;:<>()[\]"\\]/u)
          expect(recipient.address.split('@')).toHaveLength(2)
          expect(recipient.domain).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
          expect(parseRecipient(recipient.address)).toEqual(recipient)
        },
      ),
      { numRuns: 3000 },
    )
  })
})
