import { describe, expect, it } from 'vitest'
import { checkStore, seedVariable } from './history/run.ts'
import type { World } from './history/worlds.ts'

const seed = Number(process.env[seedVariable] ?? Date.now())
const engines = ['sqlite', 'redis'] as const

describe('a store that several processes use while it breaks for long', () => {
  it.each(engines)(
    'answers on %s as if it did one verb after the other and forgot nothing',
    async (engine) => {
      const heard = await checkStore(engine, { seed, laps: 15 })
      console.log(JSON.stringify({ engine, seed, ...heard }))
      expect(heard['accepted']).toBeGreaterThan(100)
    },
  )

  it.each([
    ['which steps were used', `UPDATE subjects SET uses = json_set(uses, '$[0].step', 0)`],
    ['which backup codes were used', `UPDATE subjects SET backup_slots = '0000000000'`],
    ['who is enrolled', 'DELETE FROM subjects'],
    ['how often somebody failed', 'UPDATE subjects SET failures = NULL'],
  ])('is found out when it forgets %s', async (_, sql) => {
    const forget = (world: World): World => ({
      ...world,
      faults: () => [{ name: 'it forgets', strike: () => forgetIn(world, sql) }],
    })
    await expect(checkStore('sqlite', { seed, laps: 60 }, forget)).rejects.toThrow(/nothing explains/)
  })
})

/** Not this time when another process holds the file. */
async function forgetIn({ processes }: World, sql: string): Promise<void> {
  await processes[0]?.call('execute', sql).catch((error: unknown) => {
    if (!String(error).includes('locked')) throw error
  })
}
