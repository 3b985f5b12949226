import { expect, it } from 'vitest'
import { describeKeys, overdue, printOverdue } from './describe-keys.ts'

const dayMs = 86_400_000
const now = Date.UTC(2026, 10, 21)
const key = (id: string, ageDays?: number) => ({
  id,
  key: Buffer.alloc(32, id),
  state: 'enabled' as const,
  ...(ageDays !== undefined && { createdAt: new Date(now - ageDays * dayMs).toISOString() }),
})

it('names a key in use that is older than allowed, and one without a date as what it is', () => {
  const entries = [
    key('old', 91),
    key('young', 90),
    key('undated'),
    { ...key('off', 999), state: 'disabled' as const },
  ]
  const keys = describeKeys({ primaryId: 'young', entries }, { now })
  expect(overdue(keys, 90).map((one) => printOverdue(one, 90))).toEqual([
    'key old is older than 90 d',
    'key undated has no date, so it may be older than 90 d',
  ])
})
