import type { Answer, TraceEntry } from '../domain/answer.ts'

/** The right to send under one identity; times are milliseconds since the epoch. */
export type Claim = {
  /** Digest of the caller and its key, or of a signature. */
  id: string
  /** `<key check value>.<digest>` of the content; comparable only where the key check values are equal. */
  fingerprint: string
  /** Unlike any other claim's: only its holder may settle. */
  owner: string
  messageId: string
  leaseUntil: number
  /** When an unsettled claim is forgotten; later than `leaseUntil`. */
  expiresAt: number
  /** Whatever became of the first claim, there is never a second one until it is forgotten. */
  once: boolean
}

export type Claimed =
  /** The caller sends; the Message-ID is that of an earlier attempt whose outcome is unknown, else its own. */
  | { outcome: 'claimed'; messageId: string }
  | { outcome: 'sending' }
  | { outcome: 'settled'; answer: Answer }
  /** The first claim was never settled and `once` forbids another. */
  | { outcome: 'unknown' }
  | { outcome: 'conflict' }

export type Seen =
  | { outcome: 'free' }
  | { outcome: 'sending' | 'lapsed'; messageId: string }
  | { outcome: 'settled'; answer: Answer }

export type Settlement = { id: string; owner: string; answer: Answer; expiresAt: number; now: number }

/** What became of a mail; `call` is the digest of the caller and its key. */
export type Note = { call?: string; entry: TraceEntry; expiresAt: number }

/** A mail can be found by its Message-ID, and the latest one of a call by that. */
export type NoteName = { message: string } | { call: string }

/** Each verb is one atomic operation; a store that does not answer rejects with StoreUnavailable. */
export type SmtpStore = {
  /** Free are: no record, an answer `not_sent`, an answer `unknown` and a lease that ran out; the last two keep their Message-ID. */
  claim(claim: Claim, now: number): Promise<Claimed>
  /** Keeps the answer of the claim that `owner` holds; false when it holds none (taken over, forgotten, already settled). */
  settle(settlement: Settlement): Promise<boolean>
  /** What a waiting twin may know: the answer once there is one, `sending` under a live lease, `lapsed` after it, else `free`. */
  look(id: string, now: number): Promise<Seen>
  /** Keeps what became of a mail, atomically under each of its names. A later note replaces it, but what was accepted stays accepted under its Message-ID. */
  note(note: Note, now: number): Promise<void>
  find(name: NoteName, now: number): Promise<TraceEntry | undefined>
  ping(): Promise<void>
  close(): Promise<void>
}

/** A settled record's kind: `sent` answers for good, the others free the claim. */
export type SettledState = 'sent' | 'not_sent' | 'unknown'

/** What an answer makes of the claim that it settles. */
export function stateOf(answer: Answer): SettledState {
  return answer.ok ? 'sent' : answer.outcome
}
