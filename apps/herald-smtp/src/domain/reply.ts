import type { Cause, FailedAttempt, Phase } from '../mailer/mailer.ts'
import type { Verdict } from './breaker.ts'

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

/** What a failed attempt means for the caller, and what is to be done about it. */
export type Judgement = {
  reason: SmtpReason
  permanent: boolean
  retryAfterSeconds?: number
  /** The fault may be gone in the same second. */
  retryAtOnce: boolean
  /** Another upstream may take the message; never after an unknown outcome. */
  tryNext: boolean
  /** What the attempt says of its upstream. A refused recipient says that it works. */
  verdict: Verdict
}

const permanent = { permanent: true, retryAtOnce: false, tryNext: false, verdict: 'up' } as const
const transient = { ...permanent, permanent: false } as const
const failing = { permanent: false, retryAtOnce: true, tryNext: true, verdict: 'down' } as const
const unavailable = { ...transient, tryNext: true, verdict: 'nothing' } as const

const consequences: Readonly<Record<SmtpReason, Omit<Judgement, 'reason'>>> = {
  invalid_destination: permanent,
  mailbox_full: transient,
  sender_refused: permanent,
  greylisted: { ...transient, retryAfterSeconds: 60 },
  throttled: { ...failing, retryAfterSeconds: 30 },
  policy: permanent,
  too_large: permanent,
  upstream_auth: { ...transient, tryNext: true, verdict: 'refused' },
  upstream_down: failing,
  timeout_not_sent: failing,
  timeout_unknown: { ...transient, verdict: 'down' },
  rejected: permanent,
  busy: { ...unavailable, retryAfterSeconds: 2 },
  draining: { ...unavailable, retryAfterSeconds: 5 },
}

const withoutReply: Readonly<Record<Exclude<Cause, 'reply'>, SmtpReason>> = {
  timeout: 'timeout_not_sent',
  connection: 'upstream_down',
  dns: 'upstream_down',
  tls: 'upstream_down',
  auth: 'upstream_auth',
  address: 'invalid_destination',
  size: 'too_large',
  queue_full: 'busy',
  draining: 'draining',
}

type Row = {
  enhanced?: RegExp
  phases?: readonly Phase[]
  codes?: RegExp
  relayDenied?: true
  reason: SmtpReason
}

const afterMail: readonly Phase[] = ['rcpt', 'data', 'body']
const no421 = /^4(?!21)/

/** Replies, first match first: by enhanced code, then by phase, then by basic code; the last two rows leave none over. */
const replyRows: readonly Row[] = [
  { codes: /^53[045]/, reason: 'upstream_auth' }, // RFC 4954 gives these three no other meaning, whatever 5.7.x follows
  { enhanced: /^5\.7\.8$/, reason: 'upstream_auth' },
  { enhanced: /^5\./, phases: ['auth'], reason: 'upstream_auth' },
  { enhanced: /^5\.(1\.([1236]|10)|2\.1)$/, phases: afterMail, reason: 'invalid_destination' },
  { enhanced: /^5\.1\.[78]$/, reason: 'sender_refused' },
  { enhanced: /^5\.2\.2$/, reason: 'mailbox_full' },
  { enhanced: /^5\.3\.4$/, reason: 'too_large' },
  { enhanced: /^5\.7\./, reason: 'policy' },
  { enhanced: /^4\.2\./, codes: no421, reason: 'greylisted' },
  { enhanced: /^4\.7\./, phases: ['rcpt'], codes: no421, reason: 'greylisted' },
  { enhanced: /^4\.7\./, reason: 'throttled' },
  { enhanced: /^4\.3\./, reason: 'upstream_down' },
  { enhanced: /^4\.4\./, codes: no421, reason: 'upstream_down' },
  { codes: /^421/, reason: 'throttled' },
  { phases: ['auth'], codes: /^5/, reason: 'upstream_auth' },
  { phases: ['connect', 'tls', 'auth'], reason: 'upstream_down' },
  { phases: ['mail'], codes: /^5/, reason: 'sender_refused' },
  { phases: afterMail, relayDenied: true, reason: 'policy' },
  { phases: ['rcpt'], codes: /^55[013]/, reason: 'invalid_destination' },
  { codes: /^552/, reason: 'mailbox_full' },
  { codes: /^45[24]/, reason: 'upstream_down' },
  { codes: /^4/, reason: 'greylisted' },
  { codes: /^5/, reason: 'rejected' },
]

const fits = (row: Row, { phase, code, enhancedCode = '', relayDenied }: FailedAttempt): boolean =>
  (row.enhanced?.test(enhancedCode) ?? true) &&
  (row.phases?.includes(phase) ?? true) &&
  (row.codes?.test(String(code)) ?? true) &&
  (row.relayDenied ?? relayDenied) === relayDenied

function reasonOf(attempt: FailedAttempt): SmtpReason {
  const { outcome, cause } = attempt
  if (outcome === 'unknown') return 'timeout_unknown'
  if (cause !== 'reply') return withoutReply[cause]
  return replyRows.find((row) => fits(row, attempt))?.reason ?? 'upstream_down'
}

const isPermanentReply = ({ code = 0 }: FailedAttempt): boolean => code >= 500

/** Reads a failed attempt by the enhanced code, then the phase, then the basic code (RFC 3463, RFC 5321 section 4.2). */
export function judgeAttempt(attempt: FailedAttempt): Judgement {
  const reason = reasonOf(attempt)
  const consequence = consequences[reason]
  return {
    reason,
    ...consequence,
    retryAtOnce: consequence.retryAtOnce && !isPermanentReply(attempt),
    tryNext: consequence.tryNext || (reason === 'policy' && attempt.relayDenied === true),
    verdict: attempt.phase === 'queue' ? 'nothing' : consequence.verdict,
  }
}
