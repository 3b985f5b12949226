import { describe, it } from 'vitest'
import { restart, runOnRedis, runOnSqlite, standStill } from './faults/runs.ts'

const size = { subjects: 8, times: 10 }

describe('under load no code is accepted twice, and no confirm and no revoke that was answered is lost', () => {
  it.concurrent('while Redis restarts and stands still', () => runOnRedis(size, [restart, standStill(1500)]))

  it.concurrent('while the process on SQLite is killed and its disk is full', () => runOnSqlite(size, 1))
})
