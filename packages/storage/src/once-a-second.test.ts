import { describe, expect, it } from 'vitest'
import { onceASecond } from './once-a-second.ts'

function counted(check: () => Promise<void> = async () => {}) {
  const clock = { time: 1_800_000_000_000 }
  let calls = 0
  const ask = onceASecond(
    () => {
      calls += 1
      return check()
    },
    () => clock.time,
  )
  return { clock, ask, calls: () => calls }
}

describe('onceASecond', () => {
  it('checks at most once a second, however many ask at once', async () => {
    const { clock, ask, calls } = counted()
    for (const [time, expected] of [
      [0, 1],
      [999, 1],
      [1000, 2],
      [1999, 2],
    ] as const) {
      clock.time = 1_800_000_000_000 + time
      await Promise.all(Array.from({ length: 64 }, ask))
      expect(calls()).toBe(expected)
    }
  })

  it('shares a failure as it does a success, and forgets it after the second', async () => {
    const results = [Promise.reject(new Error('full')), Promise.resolve()]
    const { clock, ask } = counted(() => results.shift() ?? Promise.resolve())
    await expect(ask()).rejects.toThrow('full')
    await expect(ask()).rejects.toThrow('full')
    clock.time += 1000
    await expect(ask()).resolves.toBeUndefined()
  })

  it('keeps no result for a clock that was set back', async () => {
    const { clock, ask, calls } = counted()
    await ask()
    clock.time -= 3_600_000
    await ask()
    expect(calls()).toBe(2)
  })
})
