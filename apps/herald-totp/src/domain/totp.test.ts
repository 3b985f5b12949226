import { crypto } from '@otplib/plugin-crypto-node'
import fc from 'fast-check'
import { generateSync } from 'otplib/functional'
import { describe, expect, it } from 'vitest'
import type { Algorithm } from '../store/store.ts'
import { codeAt, matchStep, stepAt, toBase32, type TotpParameters } from './totp.ts'

const ascii = (text: string) => Buffer.from(text, 'ascii')
const digitsRepeated = (length: number) => ascii('1234567890'.repeat(7).slice(0, length))
const standard: TotpParameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 }

describe('codes of RFC 6238, appendix B', () => {
  const secrets: Record<Algorithm, Buffer> = {
    SHA1: digitsRepeated(20),
    SHA256: digitsRepeated(32),
    SHA512: digitsRepeated(64),
  }
  it.each<[number, Algorithm, string]>([
    [59, 'SHA1', '94287082'],
    [59, 'SHA256', '46119246'],
    [59, 'SHA512', '90693936'],
    [1111111109, 'SHA1', '07081804'],
    [1111111109, 'SHA256', '68084774'],
    [1111111109, 'SHA512', '25091201'],
    [1111111111, 'SHA1', '14050471'],
    [1111111111, 'SHA256', '67062674'],
    [1111111111, 'SHA512', '99943326'],
    [1234567890, 'SHA1', '89005924'],
    [1234567890, 'SHA256', '91819424'],
    [1234567890, 'SHA512', '93441116'],
    [2000000000, 'SHA1', '69279037'],
    [2000000000, 'SHA256', '90698825'],
    [2000000000, 'SHA512', '38618901'],
    [20000000000, 'SHA1', '65353130'],
    [20000000000, 'SHA256', '77737706'],
    [20000000000, 'SHA512', '47863826'],
  ])('at %i with %s is %s', (seconds, algorithm, code) => {
    const parameters: TotpParameters = { algorithm, digits: 8, periodSeconds: 30 }
    const now = seconds * 1000
    expect(codeAt(secrets[algorithm], parameters, stepAt(now, 30))).toBe(code)
    expect(matchStep({ secret: secrets[algorithm], parameters, skew: 0, code, now })).toBe(stepAt(now, 30))
  })
})

describe('codes of RFC 4226, appendix D', () => {
  it.each(
    ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'].map(
      (code, counter) => [counter, code] as const,
    ),
  )('at counter %i is %s', (counter, code) => {
    expect(codeAt(digitsRepeated(20), standard, counter)).toBe(code)
  })
})

describe('base32 of RFC 4648, section 10', () => {
  it.each([
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ])('of %j is %j, without padding', (plain, encoded) => {
    expect(toBase32(ascii(plain))).toBe(encoded)
  })
})

describe('codeAt', () => {
  it('agrees with another implementation on any secret, algorithm, length and step', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        fc.constantFrom<Algorithm>('SHA1', 'SHA256', 'SHA512'),
        fc.constantFrom<6 | 7 | 8>(6, 7, 8),
        fc.oneof(fc.maxSafeNat(), fc.nat()),
        (secret, algorithm, digits, step) => {
          const theirs = generateSync({
            strategy: 'hotp',
            secret,
            counter: step,
            algorithm: algorithm.toLowerCase() as 'sha1' | 'sha256' | 'sha512',
            digits,
            crypto,
          })
          expect(codeAt(secret, { algorithm, digits, periodSeconds: 30 }, step)).toBe(theirs)
        },
      ),
    )
  })
})

describe('matchStep', () => {
  const secret = digitsRepeated(20)
  const now = 1_800_000_015_000

  it('answers the step that matched, not the current one', () => {
    const current = stepAt(now, 30)
    for (const offset of [-1, 0, 1]) {
      const code = codeAt(secret, standard, current + offset)
      expect(matchStep({ secret, parameters: standard, skew: 1, code, now })).toBe(current + offset)
    }
  })

  it('matches nothing outside the window', () => {
    const current = stepAt(now, 30)
    for (const offset of [-2, 2]) {
      const code = codeAt(secret, standard, current + offset)
      expect(matchStep({ secret, parameters: standard, skew: 1, code, now })).toBeUndefined()
    }
  })

  it('answers the greatest step when two steps share a code', () => {
    // One digit cannot be enrolled; it makes neighbours collide so that the rule can be seen.
    const parameters = { ...standard, digits: 1 as 6 }
    const step = Array.from({ length: 1000 }, (_, index) => index + 10).find(
      (at) => codeAt(secret, parameters, at) === codeAt(secret, parameters, at + 1),
    )!
    const code = codeAt(secret, parameters, step)
    expect(matchStep({ secret, parameters, skew: 1, code, now: step * 30_000 })).toBe(step + 1)
  })

  it('matches no code without its leading zeros', () => {
    const step = Array.from({ length: 1000 }, (_, index) => index + 10).find((at) =>
      codeAt(secret, standard, at).startsWith('0'),
    )!
    const code = codeAt(secret, standard, step)
    const matching = (typed: string) =>
      matchStep({ secret, parameters: standard, skew: 0, code: typed, now: step * 30_000 })
    expect(matching(code)).toBe(step)
    expect(matching(code.slice(1))).toBeUndefined()
    expect(matching(`0${code}`)).toBeUndefined()
  })

  it('never looks before the first step', () => {
    const code = codeAt(secret, standard, 0)
    expect(matchStep({ secret, parameters: standard, skew: 2, code, now: 0 })).toBe(0)
  })

  it('honours period, digits and algorithm of the credential', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        fc.constantFrom<Algorithm>('SHA1', 'SHA256', 'SHA512'),
        fc.constantFrom<6 | 7 | 8>(6, 7, 8),
        fc.integer({ min: 15, max: 300 }),
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        (bytes, algorithm, digits, periodSeconds, at) => {
          const parameters = { algorithm, digits, periodSeconds }
          const code = codeAt(bytes, parameters, stepAt(at, periodSeconds))
          expect(code).toMatch(new RegExp(`^[0-9]{${digits}}$`))
          expect(matchStep({ secret: bytes, parameters, skew: 0, code, now: at })).toBe(
            stepAt(at, periodSeconds),
          )
        },
      ),
      { numRuns: 50 },
    )
  })
})
