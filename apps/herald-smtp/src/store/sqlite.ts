import type { StatementSync } from 'node:sqlite'
import type { SqliteHandle } from '@herald/storage'
import type { Answer, TraceEntry } from '../domain/answer.ts'
import { differs } from '../domain/fingerprint.ts'
import {
  forgetCalls,
  forgetNotes,
  putCall,
  putNote,
  selectByCall,
  selectByMessage,
  selectCall,
  settleCall,
} from './schema.ts'
import { stateOf, type Claim, type Claimed, type SettledState, type SmtpStore } from './store.ts'

type Row = {
  state: 'sending' | SettledState
  fingerprint: string
  lease: number
  message: string
  answer: string | null
}

/** The store in one SQLite file (or one that ends with the process); `schema.ts` holds its statements. */
export function createSqliteStore(handle: SqliteHandle): SmtpStore {
  const { database } = handle
  const select = database.prepare(selectCall)
  const put = database.prepare(putCall)
  const settle = database.prepare(settleCall)
  const forget = nowAndThen(database.prepare(forgetCalls))
  const selectMessage = database.prepare(selectByMessage)
  const selectLatest = database.prepare(selectByCall)
  const noteDown = database.prepare(putNote)
  const forgetNoted = nowAndThen(database.prepare(forgetNotes))
  const find = (id: string, now: number) => select.get(id, now) as Row | undefined

  return {
    claim: (claim, now) =>
      handle.settle(() => {
        const row = find(claim.id, now)
        const standing = row && standingOutcome(row, claim, now)
        if (standing) return standing
        const messageId = row && row.state !== 'not_sent' ? row.message : claim.messageId
        forget(now)
        put.run(claim.id, claim.fingerprint, claim.owner, messageId, claim.leaseUntil, claim.expiresAt)
        return { outcome: 'claimed', messageId }
      }),

    settle: ({ id, owner, answer, expiresAt }) =>
      handle.settle(() => {
        const state = stateOf(answer)
        return settle.run(state, JSON.stringify(answer), expiresAt, id, owner).changes === 1
      }),

    look: async (id, now) => {
      const row = await handle.read(() => find(id, now))
      if (row?.answer) return { outcome: 'settled', answer: JSON.parse(row.answer) as Answer }
      if (row === undefined) return { outcome: 'free' }
      return { outcome: row.lease > now ? 'sending' : 'lapsed', messageId: row.message }
    },

    note: ({ call = null, entry, expiresAt }, now) =>
      handle.settle(() => {
        const { messageId, outcome, settledAt } = entry
        forgetNoted(now)
        noteDown.run(messageId, call, outcome, settledAt, expiresAt, JSON.stringify(entry), now)
      }),

    find: async (name, now) => {
      const row = (await handle.read(() =>
        'call' in name ? selectLatest.get(name.call, now) : selectMessage.get(name.message, now),
      )) as { entry: string } | undefined
      return row && (JSON.parse(row.entry) as TraceEntry)
    },

    ping: () => handle.ping(),
    close: () => handle.close(),
  }
}

/** Runs the statement once in eight calls, which is less work than a little with each. */
function nowAndThen(statement: StatementSync): (now: number) => void {
  let calls = 0
  return (now) => {
    if (calls++ % 8 === 0) statement.run(now)
  }
}

/** What a record says to a new claim, undefined when it leaves the way free. */
function standingOutcome(row: Row, { fingerprint, once }: Claim, now: number): Claimed | undefined {
  if (row.state === 'not_sent' && !once) return undefined
  if (differs(row.fingerprint, fingerprint)) return { outcome: 'conflict' }
  if (row.state === 'sending' && row.lease > now) return { outcome: 'sending' }
  if (row.answer !== null && (row.state === 'sent' || once)) {
    return { outcome: 'settled', answer: JSON.parse(row.answer) as Answer }
  }
  return once ? { outcome: 'unknown' } : undefined
}
