import type { Mailer, OutgoingMessage } from '../mailer/mailer.ts'
import type { SmtpReason } from './reply.ts'

/** What became of one message; `ok` means a 250 after the dot. */
export type Delivery =
  | { ok: true; upstream: string; upstreamResponseId?: string }
  | {
      ok: false
      upstream: string
      reason: SmtpReason
      outcome: 'not_sent' | 'unknown'
      permanent: boolean
      smtpCode?: number
      enhancedCode?: string
      retryAfterSeconds?: number
    }

/** Delivers a message: the promise never rejects and settles by `deadline` (milliseconds since the epoch). */
export type Deliver = (message: OutgoingMessage, deadline: number) => Promise<Delivery>

/** Sends through the mailer, once more at most and only when the first attempt certainly sent nothing. */
export declare function createDelivery(deps: {
  mailer: Mailer
  now: () => number
  /** A number in [0, 1) that spreads the pause before the second attempt. */
  random: () => number
}): { deliver: Deliver }
