import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createBackupCodes, matchSlot } from './backup-codes.ts'
import { readCode } from './code.ts'

function symbolsOf(code: string): string {
  const read = readCode(code, [6])
  if (read.kind !== 'backup') throw new Error('not of the shape of a backup code')
  return read.symbols
}

describe('createBackupCodes', () => {
  it('gives ten different codes of 80 bits from an alphabet without 0, 1, I and O', () => {
    const { codes } = createBackupCodes(randomBytes)
    expect(new Set(codes).size).toBe(10)
    for (const code of codes) expect(code).toMatch(/^[A-HJ-NP-Z2-9]{4}(-[A-HJ-NP-Z2-9]{4}){3}$/)
  })

  it('keeps no code in the set', () => {
    const { codes, set } = createBackupCodes(randomBytes)
    for (const code of codes) {
      expect(set.includes(code)).toBe(false)
      expect(set.includes(symbolsOf(code))).toBe(false)
    }
  })

  it('salts every slot on its own', () => {
    const { set } = createBackupCodes(randomBytes)
    const salts = Array.from({ length: 10 }, (_, slot) => set.subarray(slot * 28 + 1, slot * 28 + 13))
    expect(new Set(salts.map((salt) => salt.toString('hex'))).size).toBe(10)
  })

  it('spends 28 bytes on a slot and one on the scheme', () => {
    expect(createBackupCodes(randomBytes).set.byteLength).toBe(281)
  })
})

describe('matchSlot', () => {
  it('finds each code in its slot', () => {
    const { codes, set } = createBackupCodes(randomBytes)
    expect(codes.map((code) => matchSlot(set, symbolsOf(code)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('finds no code of another set', () => {
    const { set } = createBackupCodes(randomBytes)
    const foreign = createBackupCodes(randomBytes)
    for (const code of foreign.codes) expect(matchSlot(set, symbolsOf(code))).toBeUndefined()
  })

  it('takes no set that is cut or of another scheme for one without the code', () => {
    const { codes, set } = createBackupCodes(randomBytes)
    const symbols = symbolsOf(codes[0]!)
    const otherScheme = Buffer.from(set)
    otherScheme[0] = 2
    for (const broken of [set.subarray(0, -1), otherScheme, Buffer.from('[]')]) {
      expect(() => matchSlot(broken, symbols)).toThrow('not of a form that we write')
    }
  })
})
