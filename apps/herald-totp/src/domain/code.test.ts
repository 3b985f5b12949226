import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCode } from './code.ts'

describe('readCode', () => {
  it.each(['123456', '123 456', ' 123-456 ', '1 2 3 4 5 6', '\t123456\n'])(
    'reads %j as a TOTP code',
    (typed) => {
      expect(readCode(typed, [6])).toEqual({ kind: 'totp', digits: '123456' })
    },
  )

  it.each(['ABCD-EFGH-JKLM-NPQR', 'abcd-efgh-jklm-npqr', 'ABCD EFGH JKLM NPQR', 'abcdefghjklmnpqr'])(
    'reads %j as a backup code',
    (typed) => {
      expect(readCode(typed, [6])).toEqual({ kind: 'backup', symbols: 'ABCDEFGHJKLMNPQR' })
    },
  )

  it.each([
    '12345',
    '1234567',
    '１２３４５６',
    '١٢٣٤٥٦',
    '12345a',
    '+12345',
    '1e5',
    '',
    '   ',
    'ABCD-EFGH-JKLM-NPQ',
    'ABCD-EFGH-JKLM-NPQ0',
    'ABCD-EFGH-JKLM-NPQI',
    'ABCD-EFGH-JKLM-NPQRS',
    'ABCD–EFGH–JKLM–NPQR',
    'ſſſſſſſſſſſſſſſſ',
  ])('reads %j as neither', (typed) => {
    expect(readCode(typed, [6])).toEqual({ kind: 'neither' })
  })

  it('takes as many digits as a credential shows', () => {
    expect(readCode('1234 5678', [6, 8])).toEqual({ kind: 'totp', digits: '12345678' })
    expect(readCode('123456', [8])).toEqual({ kind: 'neither' })
  })

  it('takes sixteen digits of the backup alphabet as a backup code', () => {
    expect(readCode('2345-6789-2345-6789', [6])).toEqual({ kind: 'backup', symbols: '2345678923456789' })
  })

  it('reads any text without a throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (typed) => {
        expect(['totp', 'backup', 'neither']).toContain(readCode(typed, [6]).kind)
      }),
    )
  })
})
