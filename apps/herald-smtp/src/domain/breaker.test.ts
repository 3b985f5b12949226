import { describe, expect, it, onTestFinished } from 'vitest'

import { createBreaker, type BreakerState, type Verdict } from './breaker.ts'

function breakerWith(options = { failuresMax: 3, openMsMin: 1, openMsMax: 4 }) {
  const states: BreakerState[] = []
  const probes: ((isUp: boolean) => void)[] = []
  const probe = () => new Promise<boolean>((resolve) => probes.push(resolve))
  const breaker = createBreaker({ probe, now: Date.now, onChange: (state) => states.push(state) }, options)
  onTestFinished(() => breaker.close())
  const send = (...verdicts: Verdict[]) => verdicts.map((verdict) => breaker.admit()?.settle(verdict))
  /** Answers the n-th probe once it was asked. */
  async function answer(n: number, isUp: boolean): Promise<void> {
    await expect.poll(() => probes.length, { interval: 1 }).toBe(n)
    probes[n - 1]?.(isUp)
    await Promise.resolve()
  }
  return { breaker, states, send, answer }
}

describe('a breaker', () => {
  it('opens after failures in a row, and not after the same number with a success between them', () => {
    const { breaker, send } = breakerWith()
    send('down', 'down', 'up', 'down', 'down')
    expect(breaker.state()).toBe('closed')
    send('down')
    expect(breaker.state()).toBe('open')
    expect(breaker.admit()).toBeUndefined()
  })

  it('opens at once when our credentials are refused', () => {
    const { breaker, send } = breakerWith()
    send('refused')
    expect(breaker.state()).toBe('open')
  })

  it('learns nothing from what never reached the upstream', () => {
    const { breaker, send } = breakerWith()
    send('down', 'down', 'nothing', 'nothing')
    expect(breaker.state()).toBe('closed')
    send('down')
    expect(breaker.state()).toBe('open')
  })

  it('goes on probing after a probe that broke', async () => {
    const results = [() => Promise.reject(new Error('broken')), () => Promise.resolve(true)]
    const probe = () => results.shift()?.() ?? Promise.resolve(true)
    const options = { failuresMax: 1, openMsMin: 1, openMsMax: 1 }
    const breaker = createBreaker({ probe, now: Date.now }, options)
    onTestFinished(() => breaker.close())
    breaker.admit()?.settle('down')
    await expect.poll(() => breaker.state(), { interval: 1 }).toBe('half_open')
    expect(results).toEqual([])
  })

  it('lets one send through after a probe that passed, and closes when that succeeds', async () => {
    const { breaker, send, answer, states } = breakerWith()
    send('refused')
    await answer(1, true)
    const trial = breaker.admit()
    expect(trial).toBeDefined()
    expect(breaker.admit()).toBeUndefined()
    trial?.settle('up')
    expect(breaker.admit()).toBeDefined()
    expect(states).toEqual(['open', 'half_open', 'closed'])
  })

  it('opens again when that send fails, and gives the turn on when it told nothing', async () => {
    const { breaker, send, answer } = breakerWith()
    send('refused')
    await answer(1, true)
    send('nothing')
    send('down')
    expect(breaker.state()).toBe('open')
  })

  it('probes again after a probe that failed', async () => {
    const { breaker, send, answer } = breakerWith()
    send('refused')
    await answer(1, false)
    expect(breaker.state()).toBe('open')
    await answer(2, true)
    expect(breaker.state()).toBe('half_open')
  })

  it('waits twice as long after each failure, up to a bound, and says how long', async () => {
    const { breaker, send, answer } = breakerWith({ failuresMax: 1, openMsMin: 20, openMsMax: 30 })
    send('down')
    expect(breaker.retryAfterMs()).toBeLessThanOrEqual(20)
    await answer(1, false)
    expect(breaker.retryAfterMs()).toBeGreaterThan(20)
    expect(breaker.retryAfterMs()).toBeLessThanOrEqual(30)
  })

  it('does not judge by sends that began before it opened', async () => {
    const { breaker, send, answer } = breakerWith()
    const late = [breaker.admit(), breaker.admit()]
    send('refused')
    late[0]?.settle('up')
    expect(breaker.state()).toBe('open')
    await answer(1, true)
    late[1]?.settle('down')
    expect(breaker.state()).toBe('half_open')
  })
})
