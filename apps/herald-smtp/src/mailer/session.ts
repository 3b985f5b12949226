import type { Dialogue } from './dialogue.ts'
import type { FailedAttempt, OutgoingMessage, SendOptions, UpstreamSettings } from './mailer.ts'
import type { Opening } from './opening.ts'
import type { Offer } from './reply-text.ts'
import type { Outcome } from './transaction.ts'
import { isInternational } from './wire-format.ts'

/** An open, secured and authenticated connection; it takes one transaction at a time. */
export type Session = {
  transact(message: OutgoingMessage, limits: Required<SendOptions>): Promise<Outcome>
  /** Whether the last transaction was refused, so that RSET must come before the next. */
  needsReset(): boolean
  /** Says RSET; closes the connection if that is refused. */
  reset(): Promise<void>
  /** Says QUIT and waits for the answer, though not for long. */
  quit(): Promise<void>
  closed(): boolean
  openedAt: number
  transactions(): number
}

/** An attempt that ended before the message was handed over. */
export const notSent = (failure: Omit<FailedAttempt, 'outcome'>): FailedAttempt => ({
  outcome: 'not_sent',
  ...failure,
})

/** Until then, for a timer, which takes no negative time without a warning. */
export const msLeft = (until: number, now: () => number): number => Math.max(until - now(), 0)

const wireSafe = /^[^\s\p{Cc}<>]*$/u

/** Says why an envelope or a message cannot go over this connection at all. */
function refuseUnsent({ envelope, raw }: OutgoingMessage, offer: Offer): FailedAttempt | undefined {
  const { from, to } = envelope
  if (!wireSafe.test(from) || !wireSafe.test(to) || to === '')
    return notSent({ phase: 'mail', cause: 'address' })
  if (isInternational(envelope) && !offer.smtpUtf8) return notSent({ phase: 'mail', cause: 'address' })
  if (raw.length > offer.sizeMax) return notSent({ phase: 'mail', cause: 'size' })
  return undefined
}

/** Takes transactions on a connection that is opened, secured and authenticated. */
export function createSession(
  { opening, dialogue, offer }: { opening: Opening; dialogue: Dialogue; offer: Offer },
  { timeouts: { partingMs, greetingMs } }: UpstreamSettings,
  now: () => number,
): Session {
  let transactions = 0
  let refused = false

  async function transact(message: OutgoingMessage, limits: Required<SendOptions>): Promise<Outcome> {
    const refusal = refuseUnsent(message, offer)
    if (refusal) return refusal
    if (opening.closed()) return notSent({ phase: 'mail', cause: 'connection' })
    const ms = msLeft(limits.deadline, now)
    const firstReplyMs = transactions === 0 ? ms : greetingMs
    transactions += 1
    const time = { ms, firstReplyMs, handOverMs: msLeft(limits.handOverBy, now) }
    const outcome = await dialogue.transact(message, time, () => now() < limits.handOverBy)
    refused = outcome.outcome !== 'accepted'
    return outcome
  }

  async function reset(): Promise<void> {
    refused = false
    const reply = await dialogue.command('RSET', partingMs)
    if (!reply?.startsWith('2')) opening.close()
  }

  async function quit(): Promise<void> {
    if (!opening.closed()) await dialogue.command('QUIT', partingMs)
    opening.close()
  }

  return {
    transact,
    reset,
    quit,
    needsReset: () => refused,
    closed: () => opening.closed(),
    openedAt: now(),
    transactions: () => transactions,
  }
}
