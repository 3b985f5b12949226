import { describe, expect, it } from 'vitest'
import { parseRecipient } from './recipient.ts'

const letters = (count: number) => 'm'.repeat(count)
const deep = (count: number) => Array.from({ length: count }, () => 'a').join('.')

/**
 * One recipient in any form that a standard or another parser knows, and what this service says to it. The kinds are those
 * by which Dominic Sayers' is_email tells addresses apart; the verdict is stricter than his: only what is plain in RFC
 * 5321 and means the same to every reader is taken.
 */
const taken: [kind: string, address: string][] = [
  ['a plain one', 'ada@lovelace.example'],
  ['one character', 'a@lovelace.example'],
  ['a dot inside', 'ada.king@lovelace.example'],
  ['every character of an atom', "!#$%&'*+-/=?^_`{|}~@lovelace.example"],
  ['digits alone', '1815@lovelace.example'],
  ['a domain of digits', 'ada@1815.example'],
  ['a hyphen', 'ada@love-lace.example'],
  ['two hyphens', 'ada@l--ace.example'],
  ['a country below', 'ada@lovelace.co.uk'],
  ['a long top-level domain', 'ada@lovelace.museum'],
  ['a top-level domain of one letter', 'ada@lovelace.a'],
  ['a hyphen in the top-level domain', 'ada@lovelace.ex-ample'],
  ['64 octets before the at-sign', `${letters(64)}@lovelace.example`],
  ['63 octets in a label', `ada@${letters(63)}.example`],
  ['as many labels as fit', `a@${deep(122)}.example`],
  ['254 octets in all', `${letters(64)}@${letters(63)}.${letters(63)}.${letters(61)}`],
  ['A-labels', 'ada@xn--bcher-kva.xn--p1ai'],
  ['what looks like an A-label before the at-sign', 'xn--ada@lovelace.example'],
]

const refused: [kind: string, ...addresses: string[]][] = [
  ['nothing', ''],
  ['no domain', 'ada', 'ada@', 'ada_lovelace.example'],
  ['no local part', '@', '@example', '@lovelace.example'],
  ['one label', 'ada@example', 'ada@localhost'],
  ['a dot at the start', '.ada@lovelace.example', 'ada@.lovelace.example'],
  ['a dot at the end', 'ada.@lovelace.example', 'ada@lovelace.example.'],
  ['two dots', 'ada..king@lovelace.example', 'ada@lovelace..example'],
  ['a number for a top-level domain', 'ada@lovelace.123', 'ada@127.0.0.1', 'ada@255.255.255.255'],
  [
    'a label that ends in a hyphen',
    'ada@-lovelace.example',
    'ada@lovelace-.example',
    'ada@lovelace.example-',
  ],
  [
    'a character that no host name has',
    'ada@love_lace.example',
    'ada@love/lace.example',
    'ada@love+lace.example',
  ],
  ['too much before the at-sign', `${letters(65)}@lovelace.example`],
  ['too long a label', `ada@${letters(64)}.example`],
  ['too long a domain', `a@${deep(130)}.example`],
  ['255 octets in all', `${letters(64)}@${letters(63)}.${letters(63)}.${letters(62)}`],
  [
    'two at-signs',
    'ada@king@lovelace.example',
    'ada@lovelace.example@lovelace.example',
    String.raw`ada\@king@lovelace.example`,
  ],
  [
    'a quoted local part',
    '"ada"@lovelace.example',
    '""@lovelace.example',
    String.raw`"a\da"@lovelace.example`,
    String.raw`"\""@lovelace.example`,
    '"ada king"@lovelace.example',
    `"${letters(62)}"@lovelace.example`,
  ],
  [
    'quotes that do not fit',
    '"ada@lovelace.example',
    String.raw`"ada\"@lovelace.example`,
    'ada"@lovelace.example',
    'a"d"a@lovelace.example',
    '"a""da"@lovelace.example',
    '"ada"king@lovelace.example',
    '"a"."da"@lovelace.example',
    '"ada".king@lovelace.example',
    '"""@lovelace.example',
    String.raw`"\"@lovelace.example`,
  ],
  [
    'controls in quotes',
    '"ada\0"@lovelace.example',
    '"ada\x07"@lovelace.example',
    '"\x7f"@lovelace.example',
    '"\\\0"@lovelace.example',
    '"\n"@lovelace.example',
    '"\\\n"@lovelace.example',
    '"ada\r\n king"@lovelace.example',
    '"ada\\\u00a9"@lovelace.example',
  ],
  [
    'an address literal',
    'ada@[127.0.0.1]',
    'ada@[IPv6:::1]',
    'ada@[IPv6:2001:db8::1]',
    'ada@[IPv6:2001:db8:1:1:1:1:127.0.0.1]',
  ],
  [
    'a literal that is no address',
    'ada@[127.0.0]',
    'ada@[127.0.0.256]',
    'ada@[2001:db8::1]',
    'ada@[IPv6:::g]',
    'ada@[IPv6:1::2::3]',
    'ada@[IPv6:1::2:]',
    'ada@[IPv6::2]',
    'ada@[lovelace]',
    String.raw`ada@[love\lace]`,
    'ada@[love[lace]',
    'ada@[love]lace]',
    'ada@[127.0.0.1',
    String.raw`ada@[lovelace\]`,
    'ada@[love\\\x07lace]',
    'ada@[127.0.0.1].example',
    '[127.0.0.1]',
  ],
  [
    'a comment',
    '(she)ada@lovelace.example',
    'ada(she)@lovelace.example',
    'ada@(she)lovelace.example',
    'ada@lovelace.example(she)',
    '((she))ada@lovelace.example',
    'a(she)da@lovelace.example',
    'ada.(she)king@lovelace.example',
    '(\x07)ada@lovelace.example',
    '(\n)ada@lovelace.example',
  ],
  [
    'a comment that does not end',
    '(she ada@lovelace.example',
    '((she)ada@lovelace.example',
    'ada@(lovelace.example',
    'ada@lovelace.example(she',
    String.raw`ada@lovelace.example(she\)`,
    'ada@lovelace.example(she\\',
    String.raw`(she\)ada@lovelace.example`,
  ],
  [
    'blanks',
    ' ada@lovelace.example',
    'ada@lovelace.example ',
    'ada @lovelace.example',
    'ada@ lovelace.example',
    'ada . king@lovelace.example',
    'ada@lovelace .example',
    '\tada@lovelace.example',
    'ada@lovelace.example\t',
  ],
  [
    'line breaks',
    '\rada@lovelace.example',
    'ada@lovelace.example\r',
    '\nada@lovelace.example',
    'ada@lovelace.example\n',
    '\r\nada@lovelace.example',
    'ada@lovelace.example\r\n',
    '\r\n ada@lovelace.example',
    'ada@lovelace.example\r\n ',
    ' \r\n \r\n ada@lovelace.example',
    'ada@lovelace.example \r\n\r\n ',
    '(\r)ada@lovelace.example',
    '"\rada"@lovelace.example',
    'ad\r\n a@lovelace.example',
  ],
  ['a name', 'Ada <ada@lovelace.example>', '<ada@lovelace.example>', '"Ada" <ada@lovelace.example>'],
  [
    'several',
    'ada@lovelace.example,b@lovelace.example',
    'ada@lovelace.example;b@lovelace.example',
    'all:ada@lovelace.example;',
  ],
  [
    'a route',
    '@relay.example:ada@lovelace.example',
    'ada%lovelace.example@relay.example@x.example',
    'relay.example!ada',
  ],
]

describe('an address', () => {
  it.each(taken)('with %s is taken as it is', (_, address) => {
    expect(parseRecipient(address)?.address).toBe(address)
  })

  it.each(refused)('with %s is refused', (_, ...addresses) => {
    expect(addresses.filter((address) => parseRecipient(address))).toEqual([])
  })
})

/** UTS 46, non-transitional: one domain in several forms, and the A-labels that every one of them is. */
const equal: [ascii: string, ...forms: string[]][] = [
  [
    'lovelace.example',
    'lovelace.example',
    'LoveLace.EXAMPLE',
    'lovelace。example',
    'lovelace．example',
    'lovelace｡example',
    'ｌｏｖｅｌａｃｅ.example',
    'love\u00adlace.example',
    'love\u2060lace.example',
  ],
  [
    'xn--mnchen-3ya.example',
    'münchen.example',
    'MÜNCHEN.example',
    'mu\u0308nchen.example',
    'MU\u0308NCHEN.EXAMPLE',
    'xn--mnchen-3ya.example',
    'XN--MNCHEN-3YA.example',
  ],
  ['xn--strae-oqa.example', 'straße.example', 'Straße.Example'],
  ['strasse.example', 'strasse.example', 'STRASSE.EXAMPLE'],
  ['xn--nxasmm1c.example', 'βόλος.example', 'Βόλος.example', 'xn--nxasmm1c.example'],
  ['xn--nxasmq6b.example', 'βόλοσ.example', 'ΒΌΛΟΣ.example'],
  ['xn--wgv71a119e.jp', '日本語.jp', '日本語。ｊｐ', '日本語｡JP'],
  ['xn--80ak6aa92e.example', 'аррӏе.example'],
  ['xn--4gbrim.xn--mgbai9azgqp6j', 'موقع.پاکستان'],
  ['xn--n3h.example', '☃.example'],
  ['xn--vi8h.example', '🍕.example'],
  ['a.xn--4db.example', 'a.א.example'],
  ['1.example', '１.example', '①.example', '¹.example'],
  ['xn--ffi-dma.example', 'ffié.example', 'ﬃé.example'],
]

const noDomains: [kind: string, ...domains: string[]][] = [
  ['a joiner out of place', 'a\u200db.example', 'a\u200cb.example', '\u200dexample.example'],
  ['a mark at the start of a label', '\u0301a.example', 'a.\u0308b.example', '\u0610.example'],
  [
    'an A-label that decodes to nothing',
    'xn--.example',
    'xn---.example',
    'xn--a.example',
    'xn--0.example',
    'xn--zzzzzzzzz.example',
  ],
  ['an A-label that needs none', 'xn--lovelace-.example', 'xn--abc-.example'],
  [
    'an A-label of what would have been mapped',
    'xn--mnchen-psa.example',
    'xn--nchen-1pa.example',
    'xn--9ca9519j.example',
    'xn--b-uca3p.example',
  ],
  ['an A-label in an A-label', 'xn--xn---epa.example', 'xn--ab---epa.example', 'xn--xn--a--gua.example'],
  [
    'an A-label with a hyphen at its edge',
    'é-.example',
    '-é.example',
    'é.-à.example',
    'xn----9fa.example',
    'xn----bga.example',
  ],
  [
    'an unassigned or private character',
    '\ue000.example',
    '\u{10fffd}.example',
    '\ufffe.example',
    'a\ufffdb.example',
  ],
  ['half a surrogate pair', '\ud800.example', 'a\udc00.example'],
  ['what maps to a dot or slash', 'a⒈example', '℀.example', 'a．．example', 'a。.example'],
  ['an empty label', '。example', 'example。', 'é..example'],
  ['a number at its end', 'é.１２３', 'é.①', '１２７.0.0.1', '１２７。0。0。1'],
  ['too long an A-label', `${'é'.repeat(58)}.example`],
  ['left-to-right marks', 'a\u200e.example', 'a\u202eb.example', 'a\u2066b.example'],
]

describe('a domain beyond ASCII', () => {
  it.each(equal)('that is %s in A-labels is that in every form', (ascii, ...forms) => {
    expect(forms.filter((form) => parseRecipient(`ada@${form}`)?.domain !== ascii)).toEqual([])
  })

  it.each(noDomains)('with %s is refused', (_, ...domains) => {
    expect(domains.filter((domain) => parseRecipient(`ada@${domain}`))).toEqual([])
  })
})
