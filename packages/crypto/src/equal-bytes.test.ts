import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equalBytes } from './equal-bytes.ts'

describe('equalBytes', () => {
  it('is true for the same bytes alone, and false, not a throw, on unequal lengths', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
        expect(equalBytes(a, b)).toBe(Buffer.from(a).equals(b))
        expect(equalBytes(a, Uint8Array.from(a))).toBe(true)
      }),
    )
  })
})
