import { describe, it } from 'vitest'
import { restart, runOnRedis, runOnSqlite, standStill } from './faults/runs.ts'

const size = { subjects: 32, times: 200 }
const often = <T>(strike: T): T[] => Array.from({ length: 10 }, () => strike)

describe('under long load no code is accepted twice, and no confirm and no revoke that was answered is lost', () => {
  it('while Redis restarts again and again', () => runOnRedis(size, often(restart)))

  it('while Redis stands still for ten seconds', () =>
    runOnRedis(size, [standStill(10_000), standStill(10_000)]))

  it('while the process on SQLite is killed again and again, and its disk is full', () =>
    runOnSqlite(size, 10))
})
