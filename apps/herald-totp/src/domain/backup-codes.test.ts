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
      expect(set).not.toContain(code)
      expect(set).not.toContain(symbolsOf(code))
    }
  })

  it('salts every slot on its own', () => {
    const slots = JSON.parse(createBackupCodes(randomBytes).set) as { salt: string }[]
    expect(new Set(slots.map((slot) => slot.salt)).size).toBe(10)
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
})
