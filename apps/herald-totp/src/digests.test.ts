import { describe, expect, it } from 'vitest'
import { createDigests } from './digests.ts'

const key = (byte: number) => Buffer.alloc(32, byte)
const old = { id: 'k1', key: key(1), state: 'enabled', createdAt: '2026-01-01' } as const
const next = { id: 'k2', key: key(2), createdAt: '2026-06-01' } as const
const digestOf = (...args: Parameters<typeof createDigests>) =>
  createDigests(...args)('challenge', 'alice', 'c1')

describe('createDigests', () => {
  it('gives the same digests before, during and after a new key becomes primary', () => {
    const alone = digestOf({ primaryId: 'k1', entries: [old] })
    expect(digestOf({ primaryId: 'k1', entries: [{ ...next, state: 'pending' }, old] })).toEqual(alone)
    expect(digestOf({ primaryId: 'k2', entries: [{ ...next, state: 'enabled' }, old] })).toEqual(alone)
  })

  it('gives other digests for another key', () => {
    const alone = digestOf({ primaryId: 'k1', entries: [old] })
    expect(digestOf({ primaryId: 'k2', entries: [{ ...next, state: 'enabled' }] })).not.toEqual(alone)
  })

  it('takes a key without a date as the oldest', () => {
    const { createdAt: _, ...undated } = old
    const alone = digestOf({ primaryId: 'k1', entries: [undated] })
    expect(digestOf({ primaryId: 'k2', entries: [{ ...next, state: 'enabled' }, undated] })).toEqual(alone)
  })
})
