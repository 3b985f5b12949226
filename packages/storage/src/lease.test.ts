import { describe, expect, it } from 'vitest'
import { engines } from './engines.fixture.ts'
import { createLease } from './lease.ts'

const now = 1_800_000_000_000

describe.each(engines)('a lease on $name', ({ skip, open }) => {
  it.skipIf(skip)('has one holder among many who ask at once', async () => {
    const lease = createLease(await open(), { name: 'totp:work' })
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, n) => lease.take(`holder ${n}`, 1000, now)),
    )
    expect(answers.filter(Boolean)).toHaveLength(1)
  })

  it.skipIf(skip)('lasts as long as its holder renews it, and ends by itself', async () => {
    const lease = createLease(await open(), { name: 'totp:work' })
    expect(await lease.take('a', 1000, now)).toBe(true)
    expect(await lease.take('a', 1000, now + 900)).toBe(true)
    expect(await lease.take('b', 1000, now + 1800)).toBe(false)
    expect(await lease.take('b', 1000, now + 1900)).toBe(true)
    expect(await lease.take('a', 1000, now + 2000)).toBe(false)
  })

  it.skipIf(skip)('is given back by its holder alone', async () => {
    const lease = createLease(await open(), { name: 'totp:work' })
    await lease.take('a', 1000, now)
    await lease.release('b')
    expect(await lease.take('b', 1000, now)).toBe(false)
    await lease.release('a')
    expect(await lease.take('b', 1000, now)).toBe(true)
  })
})
