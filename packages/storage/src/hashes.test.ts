import { describe, expect, it } from 'vitest'
import { engines } from './engines.fixture.ts'
import { createHashes } from './hashes.ts'

describe.each(engines)('hashes on $name', ({ skip, open }) => {
  it.skipIf(skip)('keep what was written, field by field, until they are removed', async () => {
    const hashes = createHashes(await open(), { prefix: 'totp:' })
    await hashes.write('a', { one: 1, two: 'x' })
    await hashes.write('a', { two: 'y' })
    await hashes.write('b', { other: 'z' })
    expect(await hashes.read('a')).toEqual({ one: '1', two: 'y' })
    await hashes.remove('a')
    expect(await hashes.read('a')).toEqual({})
    expect(await hashes.read('b')).toEqual({ other: 'z' })
  })

  it.skipIf(skip)('give everybody the first value of a field', async () => {
    const hashes = createHashes(await open(), { prefix: 'totp:' })
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, n) => hashes.complete('a', { first: String(n), [`own-${n}`]: 'x' })),
    )
    expect(new Set(answers.map(({ first }) => first)).size).toBe(1)
    expect(Object.keys(await hashes.complete('a', {}))).toHaveLength(17)
  })
})
