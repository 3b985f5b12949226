import type { SmtpStore } from '../store/store.ts'
import type { Answer, TraceEntry } from './answer.ts'
import { persist } from './deadline.ts'
import { identifyKey } from './idempotency.ts'

/** Besides the entry: under way now, or begun by a process that died, of which neither time nor upstream is known. */
export type Found = TraceEntry | { outcome: 'sending' | 'unknown' }

/** Notes what becomes of mails, and tells it later. */
export type MessageTrace = {
  /** Never rejects: an answer does not depend on it. */
  note(
    sent: { caller: string; key?: string; messageId: string; receivedAt: number },
    answer: Answer,
  ): Promise<void>
  /** By Message-ID, whoever sent it, or by an idempotency key of this caller; rejects when the store does not answer. */
  find(caller: string, id: string): Promise<Found | undefined>
}

/** So long a store that is away can still be told. */
const persistMs = 5_000

/** Keeps for `ttlMs` what became of each mail. Message-IDs cannot be guessed, keys can: those are looked up inside their caller. */
export function createMessageTrace(
  deps: {
    store: Pick<SmtpStore, 'note' | 'find' | 'look'>
    now: () => number
    onFault: (verb: 'note', fault: unknown) => void
  },
  { ttlMs }: { ttlMs: number },
): MessageTrace {
  const { store, now, onFault } = deps

  return {
    async note({ caller, key, messageId, receivedAt }, answer) {
      const settledAt = now()
      const entry = { messageId, ...describe(answer), receivedAt, settledAt }
      const call = key === undefined ? {} : { call: identifyKey(caller, key) }
      const write = () => store.note({ ...call, entry, expiresAt: settledAt + ttlMs }, settledAt)
      try {
        await write()
      } catch (fault) {
        onFault('note', fault)
        void persist(write, persistMs)
      }
    },

    async find(caller, id) {
      const at = now()
      const call = identifyKey(caller, id)
      const [byMessage, byKey, claim] = await Promise.all([
        store.find({ message: id }, at),
        store.find({ call }, at),
        store.look(call, at),
      ])
      const entry = byMessage ?? byKey
      // The key may by now be that of another mail.
      const isUnderWay = 'messageId' in claim && claim.messageId !== entry?.messageId
      if (entry?.outcome === 'accepted' && !isUnderWay) return entry
      if (claim.outcome === 'sending') return { outcome: 'sending' }
      if (claim.outcome === 'lapsed') return { outcome: 'unknown' }
      return entry
    },
  }
}

function describe(answer: Answer): Omit<TraceEntry, 'messageId' | 'receivedAt' | 'settledAt'> {
  if (answer.ok) {
    const { upstream, upstreamResponseId: id } = answer
    return { outcome: 'accepted', upstream, ...(id !== undefined && { upstreamResponseId: id }) }
  }
  const { outcome, reason, upstream, smtpCode, enhancedCode } = answer
  return {
    outcome,
    reason,
    ...(upstream !== undefined && { upstream }),
    ...(smtpCode !== undefined && { smtpCode }),
    ...(enhancedCode !== undefined && { enhancedCode }),
  }
}
