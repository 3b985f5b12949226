import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRequestIds, isSaneRequestId } from './request-id.ts'

describe('createRequestIds', () => {
  it('gives every id once, and draws random bytes once for many', () => {
    let draws = 0
    const next = createRequestIds((size) => {
      draws += 1
      return randomBytes(size)
    })
    const ids = Array.from({ length: 600 }, next)
    expect(new Set(ids).size).toBe(600)
    expect(ids.every((id) => id.length === 16 && isSaneRequestId(id))).toBe(true)
    expect(draws).toBe(3)
  })
})
