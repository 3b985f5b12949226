import { startRedisSentinel } from '@herald/testing'
import { describe, it } from 'vitest'
import {
  failOver,
  kill,
  restart,
  runOnRedis,
  runOnSqlite,
  standStill,
  startAlone,
  stopGrowth,
} from './faults/runs.ts'

const size = { users: 8, times: 10 }
const patienceMs = 60_000

describe('under load no code is accepted twice, and no confirm and no revoke that was answered is lost', () => {
  it.concurrent(
    'while Redis restarts and stands still',
    async () => runOnRedis(await startAlone(), size, [restart, standStill(1500)]),
    patienceMs,
  )

  it.concurrent(
    'while Sentinels put an acknowledging replica in the place of the master',
    async () => runOnRedis(await startRedisSentinel({ server: { appendOnly: true } }), size, [failOver]),
    patienceMs,
  )

  it.concurrent(
    'while the process on SQLite is killed and its disk is full',
    () => runOnSqlite(size, [kill, stopGrowth]),
    patienceMs,
  )
})
