import { onTestFinished } from 'vitest'

import type { Mailer } from '../mailer/mailer.ts'
import { breakerDefaults, createBreaker, type Breaker, type BreakerOptions } from './breaker.ts'

/** The breaker of one mailer; the test's end stops its probes. */
export function breakerOf(mailer: Pick<Mailer, 'probe'>, options: Partial<BreakerOptions> = {}): Breaker {
  const breaker = createBreaker(
    { probe: async () => (await mailer.probe()).ok, now: Date.now },
    { ...breakerDefaults, ...options },
  )
  onTestFinished(() => breaker.close())
  return breaker
}
