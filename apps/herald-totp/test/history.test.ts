import { describe, expect, it } from 'vitest'
import { checkStore, seedVariable } from './history/run.ts'

const seed = Number(process.env[seedVariable] ?? Date.now())

describe('a store that several processes use while it breaks', () => {
  it.concurrent.each(['sqlite', 'redis'] as const)(
    'answers on %s as if it did one verb after the other and forgot nothing',
    async (engine) => {
      const heard = await checkStore(engine, { seed, laps: 1 })
      expect(Object.keys(heard)).toEqual(
        expect.arrayContaining(['activated', 'accepted', 'replayed', 'wrong', 'locked', 'gone', 'unknown']),
      )
    },
    60_000,
  )
})
