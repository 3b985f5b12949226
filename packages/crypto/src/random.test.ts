import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { randomSymbols } from './random.ts'

describe('randomSymbols', () => {
  it('draws every symbol equally often from every byte there is', () => {
    // Each byte once, then its leftovers replaced: 256 = 25 * 10 + 6, so six bytes must be thrown away.
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    const symbols = randomSymbols((size) => everyByte.subarray(0, size), '0123456789', 256)
    const counts = new Map<string, number>()
    for (const symbol of symbols.slice(0, 250)) counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
    expect([...counts.values()]).toEqual(Array.from({ length: 10 }, () => 25))
  })

  it('asks again for what it threw away', () => {
    const draws = [Buffer.from([255, 254, 7]), Buffer.from([251, 3]), Buffer.from([9])]
    expect(randomSymbols(() => draws.shift() ?? Buffer.alloc(0), '0123456789', 3)).toBe('739')
  })

  it('gives as many symbols as asked for, all of the alphabet', () => {
    expect(randomSymbols(randomBytes, 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789', 16)).toMatch(/^[A-HJ-NP-Z2-9]{16}$/)
    expect(randomSymbols(randomBytes, '01', 0)).toBe('')
  })

  it.each(['', 'a', 'abca', 'x'.repeat(257)])('refuses the alphabet %j', (alphabet) => {
    expect(() => randomSymbols(randomBytes, alphabet, 1)).toThrow(TypeError)
  })
})
