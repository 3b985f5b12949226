import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDigester, deriveKey, sha256 } from './digest.ts'
import vectors from './vectors/digests.json' with { type: 'json' }

const digest = createDigester(Buffer.alloc(32, 9))

describe('createDigester', () => {
  it.each(vectors.digests)(
    'agrees with the vector $domain $parts',
    ({ keyHex, domain, parts, digestHex }) => {
      expect(createDigester(Buffer.from(keyHex, 'hex'))(domain, ...parts).toString('hex')).toBe(digestHex)
    },
  )

  it('gives different digests to different lists of parts, however they are divided', () => {
    const list = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\0'), maxLength: 3 }), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(list, list, (one, other) => {
        const equal = JSON.stringify(one) === JSON.stringify(other)
        expect(digest('domain', ...one).equals(digest('domain', ...other))).toBe(equal)
      }),
    )
  })

  it('takes text as its UTF-8 bytes', () => {
    expect(digest('domain', '主体')).toEqual(digest('domain', Buffer.from('主体')))
  })

  it('keeps domains apart', () => {
    expect(digest('subject', 'x')).not.toEqual(digest('challenge', 'x'))
    expect(digest('subject', 'x')).not.toEqual(digest('subjectx'))
  })
})

describe('deriveKey', () => {
  it.each(vectors.derivedKeys)('agrees with the vector $info', ({ keyHex, info, derivedHex }) => {
    expect(deriveKey(Buffer.from(keyHex, 'hex'), info).toString('hex')).toBe(derivedHex)
  })
})

describe('sha256', () => {
  it('agrees with FIPS 180-2', () => {
    expect(sha256('abc').toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(sha256(Buffer.from('abc'))).toEqual(sha256('abc'))
  })
})
