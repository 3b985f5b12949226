import { describe, expect, it } from 'vitest'
import { engines } from './engines.fixture.ts'
import { createNonces } from './nonces.ts'

const start = Date.UTC(2026, 10, 21)

describe.each(engines)('a nonce on $name', ({ skip, open }) => {
  it.skipIf(skip)('is spent once among parallel calls and over two users of one store', async () => {
    const handle = await open()
    const options = { prefix: 'totp:nonce:', now: () => start }
    const [one, two] = [createNonces(handle, options), createNonces(handle, options)]
    const nonce = { name: 'a', ttlSeconds: 180 }
    const spent = await Promise.all(Array.from({ length: 64 }, (_, n) => (n % 2 ? one : two)(nonce)))
    expect(spent.filter(Boolean)).toHaveLength(1)
    expect(await one({ ...nonce, name: 'b' })).toBe(true)
  })

  it.skipIf(skip)('is kept until its time is over by the clock passed in', async () => {
    let now = start
    const spend = createNonces(await open(), { prefix: 'totp:nonce:', now: () => now })
    const nonce = { name: 'a', ttlSeconds: 180 }
    expect(await spend(nonce)).toBe(true)
    now += 179_999
    expect(await spend(nonce)).toBe(false)
    now += 1
    expect(await spend(nonce)).toBe(true)
  })
})
