import { createSecretKey } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyFormatError, keyCheckValue, parseKeyBytes } from './key-bytes.ts'
import checkValues from './vectors/key-check-values.json' with { type: 'json' }

const key = Buffer.from('fbff00112233445566778899aabbccddeeff00112233445566778899aabbccdd', 'hex')

describe('parseKeyBytes', () => {
  it('reads the same 32 bytes from each form', () => {
    expect(parseKeyBytes(`hex:${key.toString('hex')}`)).toEqual(key)
    expect(parseKeyBytes(`hex:${key.toString('hex').toUpperCase()}`)).toEqual(key)
    expect(parseKeyBytes(`base64:${key.toString('base64')}`)).toEqual(key)
    expect(parseKeyBytes(`base64:${key.toString('base64').replace('=', '')}`)).toEqual(key)
    expect(parseKeyBytes('0123456789abcdef0123456789abcdef')).toEqual(
      Buffer.from('0123456789abcdef0123456789abcdef', 'utf8'),
    )
    expect(parseKeyBytes('raw:0123456789abcdef0123456789abcdef').toString()).toBe(
      '0123456789abcdef0123456789abcdef',
    )
    expect(parseKeyBytes('ü'.repeat(16)).byteLength).toBe(32)
  })

  it.each([
    ['64 bare hex digits', key.toString('hex'), 'write hex: in front of them'],
    ['bare base64', key.toString('base64'), 'write base64: in front of it'],
    ['bare base64 without padding', key.toString('base64').replace('=', ''), 'write base64: in front of it'],
    ['33 bytes', 'x'.repeat(33), 'must be 32 bytes and has 33'],
    ['31 bytes', 'x'.repeat(31), 'must be 32 bytes and has 31'],
    ['34 bytes, which others cut', 'a-sample-key-of-34-bytes-aaaaaaaaa', 'must be 32 bytes and has 34'],
    ['nothing', '', 'must be 32 bytes and has 0'],
    ['a final newline', `${'x'.repeat(32)}\n`, 'must be 32 bytes and has 33'],
    ['hex too short', 'hex:00ff', 'exactly 64 hex digits'],
    ['hex with junk', `hex:${'0'.repeat(63)}g`, 'exactly 64 hex digits'],
    ['base64 too short', 'base64:AAAA', 'exactly 32 bytes'],
    ['base64 too long', `base64:${Buffer.alloc(33).toString('base64')}`, 'exactly 32 bytes'],
    ['base64 in the URL alphabet', `base64:${key.toString('base64url')}`, 'exactly 32 bytes'],
    ['base64 with junk', `base64:${key.toString('base64').replace('R', '!')}`, 'exactly 32 bytes'],
    ['base64 with unused bits set', `base64:${'A'.repeat(42)}B=`, 'exactly 32 bytes'],
  ])('refuses %s and says what to write', (_title, text, remedy) => {
    expect(() => parseKeyBytes(text)).toThrow(remedy)
    expect(() => parseKeyBytes(text)).toThrow(KeyFormatError)
  })

  it('never repeats the key it refuses, and never gives other than 32 bytes', () => {
    const prefix = fc.constantFrom('', 'hex:', 'base64:', 'raw:')
    fc.assert(
      fc.property(prefix, fc.string({ minLength: 12, maxLength: 70 }), (before, text) => {
        let parsed: Buffer
        try {
          parsed = parseKeyBytes(before + text)
        } catch (error) {
          expect(error).toBeInstanceOf(KeyFormatError)
          expect((error as Error).message).not.toContain(text)
          return
        }
        expect(parsed.byteLength).toBe(32)
      }),
    )
  })
})

describe('keyCheckValue', () => {
  it.each(checkValues)('agrees with the vector $kcv', ({ keyHex, kcv }) => {
    expect(keyCheckValue(Buffer.from(keyHex, 'hex'))).toBe(kcv)
    expect(keyCheckValue(createSecretKey(keyHex, 'hex'))).toBe(kcv)
  })
})
