import { describe, expect, it } from 'vitest'
import { createOnce } from './once.ts'
import { engines } from './engines.fixture.ts'

const start = Date.UTC(2026, 10, 21)

describe.each(engines)('putIfAbsent on $name', ({ skip, open }) => {
  const openOnce = async () => createOnce(await open(), { prefix: 'totp:test:' })

  it.skipIf(skip)('keeps the first value until it expires by the clock passed in', async () => {
    const { putIfAbsent } = await openOnce()
    expect(await putIfAbsent('a', 'first', 10, start)).toEqual({ created: true, value: 'first' })
    expect(await putIfAbsent('a', 'second', 10, start + 9_999)).toEqual({ created: false, value: 'first' })
    expect(await putIfAbsent('a', 'third', 10, start + 10_000)).toEqual({ created: true, value: 'third' })
  })

  it.skipIf(skip)('has one winner among parallel calls, and all see its value', async () => {
    const { putIfAbsent } = await openOnce()
    const puts = await Promise.all(
      Array.from({ length: 64 }, (_, index) => putIfAbsent('a', String(index), 10, start)),
    )
    expect(puts.filter(({ created }) => created)).toHaveLength(1)
    expect(new Set(puts.map(({ value }) => value)).size).toBe(1)
  })
})
