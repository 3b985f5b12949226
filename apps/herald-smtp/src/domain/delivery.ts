import type { Attempt, FailedAttempt, Mailer, OutgoingMessage, Phase } from '../mailer/mailer.ts'
import type { Breaker, Permit, Verdict } from './breaker.ts'
import { pause } from './deadline.ts'
import { judgeAttempt, type SmtpReason } from './reply.ts'

/** What became of one message; `ok` means a 250 after the dot. */
export type Delivery =
  | { ok: true; upstream: string; upstreamResponseId?: string }
  | {
      ok: false
      upstream: string
      /** How far the attempt came; absent when no upstream was asked. */
      phase?: Phase
      reason: SmtpReason
      outcome: 'not_sent' | 'unknown'
      permanent: boolean
      smtpCode?: number
      enhancedCode?: string
      retryAfterSeconds?: number
    }

/** One of the relays, in the operator's order. */
export type Upstream = { name: string; mailer: Pick<Mailer, 'send'>; breaker: Breaker }

export type DeliverOptions = {
  /** Milliseconds since the epoch. */
  deadline: number
  /** Whose turn it is where messages have to wait. */
  caller: string
}

type Limits = DeliverOptions & { isHurried: boolean }

/** Makes the message that this upstream is to carry. */
export type Compose = (upstream: string) => Promise<OutgoingMessage>

/** Delivers a message and settles by the deadline; rejects only if no message can be composed. */
export type Deliver = (compose: Compose, options: DeliverOptions) => Promise<Delivery>

const pauseMsMin = 100
const pauseMsMax = 300

function report({ upstream, ...attempt }: Attempt): Delivery {
  if (attempt.outcome === 'accepted') {
    const { responseId } = attempt
    return { ok: true, upstream, ...(responseId !== undefined && { upstreamResponseId: responseId }) }
  }
  const { outcome, phase, code, enhancedCode } = attempt
  const { reason, permanent, retryAfterSeconds } = judgeAttempt(attempt)
  return {
    ok: false,
    upstream,
    phase,
    reason,
    outcome,
    permanent,
    ...(code !== undefined && { smtpCode: code }),
    ...(enhancedCode !== undefined && { enhancedCode }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}

const isFailure = (attempt: Attempt): attempt is Attempt & FailedAttempt => attempt.outcome !== 'accepted'

function verdictOf(attempt: Attempt, isHurried: boolean): Verdict {
  if (!isFailure(attempt)) return 'up'
  return isHurried && attempt.cause === 'timeout' ? 'nothing' : judgeAttempt(attempt).verdict
}

/**
 * Asks one upstream after the other, each only when those before it certainly sent nothing and time is left; each leaves
 * an equal share of that time to those behind it. When none took the message, one of them is asked once more.
 */
export function createDelivery(deps: {
  upstreams: readonly [Upstream, ...Upstream[]]
  now: () => number
  /** A number in [0, 1) that spreads the pause before the second attempt. */
  random: () => number
  /** A call that has less than this many milliseconds is in a hurry: an upstream too slow for it may be well for others. */
  patienceMs?: number
  onAttempt?: (attempt: Attempt) => void
}): Deliver {
  const { upstreams, now, random, patienceMs = 0, onAttempt } = deps

  async function attempt(
    { name, mailer }: Upstream,
    permit: Permit,
    compose: Compose,
    limits: Limits & { handOverBy: number },
  ): Promise<Attempt> {
    const message = await compose(name).catch((fault: unknown) => {
      permit.settle('nothing')
      throw fault
    })
    const attempted = await mailer.send(message, limits)
    permit.settle(verdictOf(attempted, limits.isHurried))
    onAttempt?.(attempted)
    return attempted
  }

  /** The last attempt of one round; undefined when every upstream is to be left alone. */
  async function tryEach(compose: Compose, options: Limits): Promise<Attempt | undefined> {
    let last: Attempt | undefined
    for (const [index, upstream] of upstreams.entries()) {
      const permit = upstream.breaker.admit()
      if (permit === undefined) continue
      const left = upstreams.slice(index + 1).filter(({ breaker }) => breaker.state() !== 'open').length
      const handOverBy = now() + (options.deadline - now()) / (left + 1)
      last = await attempt(upstream, permit, compose, { ...options, handOverBy })
      if (!isFailure(last) || !judgeAttempt(last).tryNext) return last
    }
    return last
  }

  async function tryOnceMore(compose: Compose, options: Limits): Promise<Attempt | undefined> {
    for (const upstream of upstreams) {
      const permit = upstream.breaker.admit()
      if (permit) return attempt(upstream, permit, compose, { ...options, handOverBy: options.deadline })
    }
    return undefined
  }

  function noneAdmits(): Delivery {
    const waitMs = Math.min(...upstreams.map(({ breaker }) => breaker.retryAfterMs()))
    const refusal = { reason: 'upstream_down', outcome: 'not_sent', permanent: false } as const
    const retryAfterSeconds = Math.max(Math.ceil(waitMs / 1000), 1)
    return { ok: false, upstream: upstreams[0].name, ...refusal, retryAfterSeconds }
  }

  return async (compose, given) => {
    const options = { ...given, isHurried: given.deadline - now() < patienceMs }
    const first = await tryEach(compose, options)
    if (first === undefined) return noneAdmits()
    if (!isFailure(first) || !judgeAttempt(first).retryAtOnce) return report(first)
    const pauseMs = pauseMsMin + random() * (pauseMsMax - pauseMsMin)
    if (now() + pauseMs >= options.deadline) return report(first)
    await pause(pauseMs)
    return report((await tryOnceMore(compose, options)) ?? first)
  }
}
