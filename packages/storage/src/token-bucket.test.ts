import { describe, expect, it } from 'vitest'
import { engines } from './engines.fixture.ts'
import { createTokenBuckets } from './token-bucket.ts'

const policy = { capacity: 3, perSeconds: 60 }
const start = Date.UTC(2026, 10, 21)

describe.each(engines)('token buckets on $name', ({ skip, open }) => {
  const openBuckets = async () => createTokenBuckets(await open(), { prefix: 'totp:test:' })

  it.skipIf(skip)('hold their capacity and refill evenly', async () => {
    const { take } = await openBuckets()
    for (let taken = 0; taken < 3; taken++) expect(await take('a', policy, start)).toEqual({ ok: true })
    expect(await take('a', policy, start)).toEqual({ ok: false, retryAfterSeconds: 20 })
    expect(await take('b', policy, start)).toEqual({ ok: true })
    expect(await take('a', policy, start + 19_999)).toEqual({ ok: false, retryAfterSeconds: 1 })
    expect(await take('a', policy, start + 20_000)).toEqual({ ok: true })
    expect(await take('a', policy, start + 20_000)).toEqual({ ok: false, retryAfterSeconds: 20 })
  })

  it.skipIf(skip)('do not wait longer because of what was refused', async () => {
    const { take } = await openBuckets()
    for (let taken = 0; taken < 3; taken++) await take('a', policy, start)
    for (let refused = 0; refused < 50; refused++) await take('a', policy, start + refused)
    expect(await take('a', policy, start + 20_000)).toEqual({ ok: true })
  })

  it.skipIf(skip)('do not wait for a date that a wrong clock gave', async () => {
    const { take } = await openBuckets()
    const wrongClock = start + 365 * 86_400_000
    for (let taken = 0; taken < 3; taken++) await take('a', policy, wrongClock)
    for (let taken = 0; taken < 3; taken++) expect(await take('a', policy, start)).toEqual({ ok: true })
    expect(await take('a', policy, start)).toEqual({ ok: false, retryAfterSeconds: 20 })
  })

  it.skipIf(skip)('give no more than their capacity to parallel takers', async () => {
    const { take } = await openBuckets()
    const taken = await Promise.all(Array.from({ length: 64 }, () => take('a', policy, start)))
    expect(taken.filter(({ ok }) => ok)).toHaveLength(3)
  })

  it.skipIf(skip)('take back what was taken for nothing, and never more than that', async () => {
    const { take, giveBack } = await openBuckets()
    for (let taken = 0; taken < 3; taken++) await take('a', policy, start)
    await giveBack('a', policy, start)
    expect(await take('a', policy, start)).toEqual({ ok: true })
    for (let given = 0; given < 9; given++) await giveBack('a', policy, start)
    const again = await Promise.all(Array.from({ length: 9 }, () => take('a', policy, start)))
    expect(again.filter(({ ok }) => ok)).toHaveLength(3)
  })
})
