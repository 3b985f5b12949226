import type { FailedAttempt } from '../mailer/mailer.ts'

/** Why a message was not delivered; each is a row of the refusal table. */
export type SmtpReason =
  | 'invalid_destination'
  | 'mailbox_full'
  | 'sender_refused'
  | 'greylisted'
  | 'throttled'
  | 'policy'
  | 'too_large'
  | 'upstream_auth'
  | 'upstream_down'
  | 'timeout_not_sent'
  | 'timeout_unknown'
  | 'rejected'
  | 'busy'
  | 'draining'

/** What a failed attempt means: `permanent` repeats in vain, `nextUpstream` says another relay may do better. */
export type Judgement = {
  reason: SmtpReason
  outcome: FailedAttempt['outcome']
  permanent: boolean
  nextUpstream: boolean
  breaker: boolean
  retryAfterSeconds?: number
}

/** Reads a failed attempt by the enhanced code, then the phase, then the basic code (RFC 3463, RFC 5321 section 4.2). */
export declare function judgeAttempt(attempt: FailedAttempt): Judgement
