import { setTimeout as pause } from 'node:timers/promises'

import type { Attempt, Mailer, OutgoingMessage } from '../mailer/mailer.ts'
import { judgeAttempt, type SmtpReason } from './reply.ts'

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

const pauseMsMin = 100
const pauseMsMax = 300

function report(attempt: Attempt): Delivery {
  const { upstream } = attempt
  if (attempt.outcome === 'accepted') {
    const { responseId } = attempt
    return { ok: true, upstream, ...(responseId !== undefined && { upstreamResponseId: responseId }) }
  }
  const { outcome, code, enhancedCode } = attempt
  const { retryAtOnce: _, ...judgement } = judgeAttempt(attempt)
  const codes = {
    ...(code !== undefined && { smtpCode: code }),
    ...(enhancedCode !== undefined && { enhancedCode }),
  }
  return { ok: false, upstream, outcome, ...judgement, ...codes }
}

const mayRepeat = (attempt: Attempt): boolean =>
  attempt.outcome === 'not_sent' && judgeAttempt(attempt).retryAtOnce

/** Sends through the mailer, once more at most and only when the first attempt certainly sent nothing. */
export function createDelivery(deps: {
  mailer: Mailer
  now: () => number
  /** A number in [0, 1) that spreads the pause before the second attempt. */
  random: () => number
}): { deliver: Deliver } {
  const { mailer, now, random } = deps
  return {
    async deliver(message, deadline) {
      const first = await mailer.send(message, { deadline })
      const pauseMs = pauseMsMin + random() * (pauseMsMax - pauseMsMin)
      if (!mayRepeat(first) || now() + pauseMs >= deadline) return report(first)
      await pause(pauseMs)
      return report(await mailer.send(message, { deadline }))
    },
  }
}
