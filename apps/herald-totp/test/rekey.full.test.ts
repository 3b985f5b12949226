import { describe, expect, it } from 'vitest'
import { rekeyUnderLoad } from './rekey-under-load.ts'

describe('a rekey of 100,000 credentials beside verifies', () => {
  it.each(['sqlite', 'redis'] as const)(
    'fails none of them on %s, is killed three times, goes on, and leaves nothing under the old key',
    async (engine) => {
      const measured = await rekeyUnderLoad(engine, {
        count: 100_000,
        width: 8,
        killedRate: '20000',
        rate: '100000',
      })
      console.log(JSON.stringify(measured))
      expect(measured.boxes).toBeGreaterThanOrEqual(200_001)
    },
  )
})
