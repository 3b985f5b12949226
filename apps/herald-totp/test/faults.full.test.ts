import { describe, expect, it } from 'vitest'
import { mountSmallDisk } from './faults/small-disk.ts'
import {
  fillDisk,
  kill,
  restart,
  runOnRedis,
  runOnSqlite,
  standStill,
  startAlone,
  turnBack,
} from './faults/runs.ts'

const size = { users: 32, times: 100 }
const often = <T>(strike: T): T[] => Array.from({ length: 5 }, () => strike)

describe('under long load no code is accepted twice, and no confirm and no revoke that was answered is lost', () => {
  it('while Redis restarts again and again', async () => runOnRedis(await startAlone(), size, often(restart)))

  it('while Redis stands still for ten seconds', async () =>
    runOnRedis(await startAlone(), size, [standStill(10_000), standStill(10_000)]))

  it('while the process on SQLite is killed again and again', () => runOnSqlite(size, often(kill)))

  it('while the disk under SQLite is full again and again', async ({ skip }) => {
    const disk = mountSmallDisk()
    if (!disk) return skip('mounting a small disk takes more rights')
    await runOnSqlite(size, often(fillDisk), disk)
  })
})

describe('a store that is turned back', () => {
  it('is found out', async () => {
    await expect(runOnSqlite(size, [turnBack])).rejects.toThrow(/confirmed enrolment|accepted twice|is back/)
  })
})
