import { expect, it } from 'vitest'
import { openLaboratory } from './laboratory.ts'
import { lastQuarters, watchMemory } from './steady.ts'

it('holds its memory over a million requests: below 160 MiB, and no more in the last quarter than before', async () => {
  const laboratory = await openLaboratory()
  try {
    const { looks, peakMib, expected } = await watchMemory(laboratory, { total: 1_000_000, subjects: 30_000 })
    const { third, fourth } = lastQuarters(looks)
    expect(expected).toBeGreaterThan(990_000)
    expect(peakMib).toBeLessThan(160)
    expect(fourth).toBeLessThan(third + 4)
  } finally {
    await laboratory.close()
  }
})
