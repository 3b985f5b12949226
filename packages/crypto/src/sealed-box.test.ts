import { createSecretKey, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyring, type Keyring } from './keyring.ts'
import { BoxError, openBox, parseBox, sealBox, type BoxContext } from './sealed-box.ts'
import vectors from './vectors/sealed-boxes.json' with { type: 'json' }

const context: BoxContext = {
  service: 'herald-totp',
  purpose: 'credential',
  recordId: 'alice-tag/c_1',
  field: 'secret',
}
const keyring = createKeyring({
  primaryId: 'k1',
  entries: [
    { id: 'k1', key: randomBytes(32), state: 'enabled' },
    { id: 'k2', key: randomBytes(32), state: 'enabled' },
  ],
  randomBytes,
})

function failureOf(box: string, place: BoxContext = context, keys: Keyring = keyring): string {
  try {
    keys.open(place, box)
  } catch (error) {
    if (error instanceof BoxError) return error.code
    throw error
  }
  return 'opened'
}

function withPayload(box: string, change: (payload: Buffer) => Buffer): string {
  const [version, keyId, payload = ''] = box.split('.')
  return `${version}.${keyId}.${change(Buffer.from(payload, 'base64url')).toString('base64url')}`
}

describe('seal and open', () => {
  it.each(vectors)('agrees with the vector: $title', (vector) => {
    const key = { id: vector.keyId, key: createSecretKey(vector.keyHex, 'hex') }
    const fixed = [vector.saltHex, vector.nonceHex].map((hex) => Buffer.from(hex, 'hex'))
    const plaintext = Buffer.from(vector.plaintextHex, 'hex')
    expect(sealBox(key, vector.context, plaintext, () => fixed.shift() ?? Buffer.alloc(0))).toBe(vector.box)
    expect(openBox(key, vector.context, parseBox(vector.box))).toEqual(plaintext)
  })

  it('gives back whatever bytes were sealed, in whatever place', () => {
    const place = fc.record({
      service: fc.string({ unit: 'grapheme' }),
      purpose: fc.string(),
      recordId: fc.string({ unit: 'grapheme' }),
      field: fc.string(),
    })
    fc.assert(
      fc.property(place, fc.uint8Array({ maxLength: 300 }), (where, plaintext) => {
        expect(keyring.open(where, keyring.seal(where, plaintext))).toEqual(Buffer.from(plaintext))
      }),
    )
  })

  it('never gives the same box twice', () => {
    const boxes = Array.from({ length: 100 }, () => keyring.seal(context, Buffer.from('same')))
    expect(new Set(boxes).size).toBe(100)
  })
})

describe('open', () => {
  const box = keyring.seal(context, Buffer.from('12345678901234567890'))

  it('refuses a box with any single bit changed', () => {
    const bits = Buffer.from(box.slice('e1.k1.'.length), 'base64url').byteLength * 8
    for (let bit = 0; bit < bits; bit++) {
      const changed = withPayload(box, (payload) => {
        payload.writeUInt8(payload.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        return payload
      })
      expect(failureOf(changed)).toBe('mismatch')
    }
  })

  it('refuses a box with any character of its text changed', () => {
    const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })
    fc.assert(
      fc.property(fc.nat(box.length - 1), character, (at, replacement) => {
        fc.pre(replacement !== box[at])
        expect(failureOf(box.slice(0, at) + replacement + box.slice(at + 1))).not.toBe('opened')
      }),
      { numRuns: 500 },
    )
  })

  it('refuses a box cut or lengthened anywhere', () => {
    for (let length = 0; length < box.length; length++)
      expect(failureOf(box.slice(0, length))).not.toBe('opened')
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (tail) => {
        expect(failureOf(box + tail)).not.toBe('opened')
      }),
    )
  })

  it('refuses a box in another place, whichever part of the place differs', () => {
    const part = fc.constantFrom<keyof BoxContext>('service', 'purpose', 'recordId', 'field')
    fc.assert(
      fc.property(part, fc.string(), (name, other) => {
        fc.pre(other !== context[name])
        expect(failureOf(box, { ...context, [name]: other })).toBe('mismatch')
      }),
    )
  })

  it('refuses a box whose place has the same letters parted otherwise', () => {
    const sealed = keyring.seal({ service: 'a', purpose: 'bc', recordId: 'd', field: '' }, Buffer.from('x'))
    expect(failureOf(sealed, { service: 'ab', purpose: 'c', recordId: 'd', field: '' })).toBe('mismatch')
    expect(failureOf(sealed, { service: 'a', purpose: 'bc', recordId: '', field: 'd' })).toBe('mismatch')
  })

  it('attack 14: a ciphertext moved from Bob to Alice does not open', () => {
    const bobs = keyring.seal({ ...context, recordId: 'bob-tag/c_2' }, Buffer.from('bob-secret'))
    expect(failureOf(bobs, { ...context, recordId: 'alice-tag/c_1' })).toBe('mismatch')
  })

  it('attack 14: an enrolment pasted in as a credential does not open', () => {
    const pending = keyring.seal({ ...context, purpose: 'enrollment' }, Buffer.from('secret'))
    expect(failureOf(pending)).toBe('mismatch')
  })

  it('attack 15: a short tag is not accepted', () => {
    const shortTag = withPayload(box, (payload) => payload.subarray(0, payload.length - 12))
    expect(failureOf(shortTag)).toBe('mismatch')
    const nothing = withPayload(keyring.seal(context, Buffer.alloc(0)), (payload) => payload.subarray(0, 64))
    expect(failureOf(nothing)).toBe('malformed')
  })

  it('attack 15: one box has one spelling', () => {
    const payload = box.slice('e1.k1.'.length)
    const sloppy = [
      `${box}=`,
      `${box}\n`,
      ` ${box}`,
      box.replace('e1', 'E1'),
      box.replace('k1', 'K1'),
      `e1.k1.${payload.slice(0, 20)}\r\n${payload.slice(20)}`,
      `e1.k1.${payload.slice(0, 20)}+${payload.slice(21)}`,
      `e1.k1.${payload}.`,
      `e1..${payload}`,
      `e1.${'k'.repeat(33)}.${payload}`,
      `e2.k1.${payload}`,
    ]
    for (const text of sloppy) expect([text, failureOf(text)]).toEqual([text, 'malformed'])
  })

  it('attack 15: the unused bits of the last character must be zero', () => {
    // 77 bytes end in a character of which two bits carry nothing.
    const box77 = keyring.seal(context, Buffer.from('x'))
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(box77.slice(-1))
    for (const unused of [1, 2, 3]) {
      expect(failureOf(box77.slice(0, -1) + alphabet.charAt(last + unused))).toBe('malformed')
    }
  })

  it('attack 15: a box that names another key of the keyring is not tried with its own', () => {
    expect(failureOf(box.replace('e1.k1.', 'e1.k2.'))).toBe('mismatch')
    expect(failureOf(box.replace('e1.k1.', 'e1.k9.'))).toBe('unknown_key')
  })

  it('attack 16: a bare AES-GCM blob in padded base64 is malformed, not decrypted', () => {
    expect(failureOf(randomBytes(12 + 32 + 16).toString('base64'))).toBe('malformed')
    expect(failureOf('')).toBe('malformed')
  })

  it('names in its error neither plaintext nor box', () => {
    const changed = withPayload(box, (payload) => payload.fill(0, 16, 17))
    expect(() => keyring.open(context, changed)).toThrow(
      'The sealed box does not open here: another key, another record or changed bytes',
    )
  })
})
