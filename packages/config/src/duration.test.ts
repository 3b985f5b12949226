import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration } from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['10m', 600],
    ['1h30m', 5400],
    ['300ms', 0.3],
    ['4.5s', 4.5],
    ['1.s', 1],
    ['.5s', 0.5],
    ['+2us', 2e-6],
    ['1µs', 1e-6],
    ['1μs', 1e-6],
    ['-1m1s', -61],
    ['0', 0],
    ['-0', 0],
  ])('reads %s as Go does', (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 9)
  })

  it.each(['', '10', '1 m', 'm', '.s', '1d', '1h-1m', '--1s', '1e3s', '١s', 'Infinity', '1s '])(
    'refuses %j as Go does',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )

  it('adds up whatever terms stand there', () => {
    const units = { h: 3600, m: 60, s: 1, ms: 0.001 } as const
    const term = fc.tuple(fc.nat(999), fc.constantFrom('h', 'm', 's', 'ms'))
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 6 }), (terms) => {
        const text = terms.map(([amount, unit]) => `${amount}${unit}`).join('')
        const seconds = terms.reduce((sum, [amount, unit]) => sum + amount * units[unit], 0)
        expect(parseDuration(text)).toBeCloseTo(seconds, 6)
      }),
    )
  })

  it('takes no longer for a long text', () => {
    expect(parseDuration(`${'1'.repeat(1_000_000)}s`)).toBeUndefined()
  })
})
