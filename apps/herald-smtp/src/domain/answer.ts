import type { SmtpReason } from './reply.ts'

/** Why nothing was handed to the upstream, besides the upstream's own reasons. */
export type LocalReason = 'rate_limited' | 'idempotency_conflict' | 'unavailable'

export type SentAnswer = { ok: true; messageId: string; upstream: string; upstreamResponseId?: string }

export type RefusedAnswer = {
  ok: false
  reason: SmtpReason | LocalReason
  outcome: 'not_sent' | 'unknown'
  permanent: boolean
  upstream?: string
  /** How far the last attempt came. */
  phase?: string
  smtpCode?: number
  enhancedCode?: string
  retryAfterSeconds?: number
}

/** What a caller is told about one send, and what is remembered of it: never an address or a text. */
export type Answer = SentAnswer | RefusedAnswer

/** What became of one mail, as it can be asked for later; times are milliseconds since the epoch. Never an address or a text. */
export type TraceEntry = {
  messageId: string
  outcome: 'accepted' | 'not_sent' | 'unknown'
  reason?: string
  receivedAt: number
  settledAt: number
  upstream?: string
  upstreamResponseId?: string
  smtpCode?: number
  enhancedCode?: string
}

/** A refusal that no reply of an upstream stands behind. */
export function refusal(reason: RefusedAnswer['reason'], outcome: RefusedAnswer['outcome']): RefusedAnswer {
  return { ok: false, reason, outcome, permanent: false }
}
