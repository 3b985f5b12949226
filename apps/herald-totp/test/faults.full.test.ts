import { startRedisCluster, startRedisSentinel } from '@herald/testing'
import { describe, expect, it } from 'vitest'
import { mountSmallDisk } from './faults/small-disk.ts'
import {
  failOver,
  fillDisk,
  kill,
  moveSlots,
  restart,
  runOnRedis,
  runOnSqlite,
  standStill,
  startAlone,
  turnBack,
} from './faults/runs.ts'

const size = { users: 32, times: 100 }
const server = { appendOnly: true }
const often = <T>(strike: T): T[] => Array.from({ length: 5 }, () => strike)

describe('under long load no code is accepted twice, and no confirm and no revoke that was answered is lost', () => {
  it('while Redis restarts again and again', async () => runOnRedis(await startAlone(), size, often(restart)))

  it('while Redis stands still for ten seconds', async () =>
    runOnRedis(await startAlone(), size, [standStill(10_000), standStill(10_000)]))

  it('while Sentinels put an acknowledging replica in the place of the master', async () =>
    runOnRedis(await startRedisSentinel({ server }), size, [failOver, failOver, failOver]))

  it('while slots of a Cluster go to another master', async () =>
    runOnRedis(await startRedisCluster({ replicas: 1, server }), size, [moveSlots(16), moveSlots(16)]))

  it('while the process on SQLite is killed again and again', () => runOnSqlite(size, often(kill)))

  it('while the disk under SQLite is full more than once', async ({ skip }) => {
    const disk = mountSmallDisk()
    if (!disk) return skip('mounting a small disk takes more rights')
    await runOnSqlite(size, [fillDisk, fillDisk, fillDisk], disk)
  })
})

describe('a store that forgets what it answered', () => {
  it('is found out when an older copy of its file takes its place', () =>
    expect(runOnSqlite(size, [turnBack])).rejects.toThrow(/accepted|confirmed enrolment|is back/))
})
