import { describe, expect, it } from 'vitest'
import { rekeyUnderLoad } from './rekey-under-load.ts'

describe('a rekey beside verifies', () => {
  it.each(['sqlite', 'redis'] as const)(
    'fails none of them on %s, is killed three times, goes on, and leaves nothing under the old key',
    async (engine) => {
      const measured = await rekeyUnderLoad(engine, {
        count: 300,
        width: 2,
        killedRate: '300',
        rate: '100000',
      })
      expect(measured.boxes).toBeGreaterThanOrEqual(601)
    },
    60_000,
  )
})
