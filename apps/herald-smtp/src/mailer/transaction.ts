import type { Socket } from 'node:net'

import type { FailedAttempt, OutgoingMessage, Phase } from './mailer.ts'
import { parseQueueId, parseReply, type Offer, type ReplyCodes } from './reply-text.ts'
import { createStepTimer } from './step-timer.ts'
import { formatBody, formatEnvelope } from './wire-format.ts'

/** What one transaction came to. */
export type Outcome = { outcome: 'accepted'; responseId?: string } | FailedAttempt

/** Milliseconds that all of it may take, that the first reply may, and that may pass before the body is handed over. */
export type TransactionTime = { ms: number; firstReplyMs: number; handOverMs: number }

/** What hears the replies of a connection until it has settled. */
export type Exchange = {
  /** `isLast` is false when the server has already said more. */
  hear(reply: string, isLast: boolean): void
  fail(cause: 'timeout' | 'connection'): void
}

export type TransactionDeps = {
  socket: Socket
  offer: Offer
  /** Leaves the connection, which is out of step or out of time. */
  close: () => void
  /** Asked when the server wants the body, since a process that was held up hears of that before its timers run. */
  mayHandOver: () => boolean
  observePhase: (phase: Phase, milliseconds: number) => void
  settle: (outcome: Outcome) => void
}

/** The empty message that nobody gets, for a server that takes DATA for no recipient (RFC 2920 section 3.1). */
const nothing = '.\r\n'

/** The complaint about the order of commands (RFC 5321 section 4.2.2), of which ours keep theirs. */
const outOfOrder = 503

/**
 * Says MAIL, RCPT, DATA and the message (RFC 5321 section 3.3): the first three in one breath where PIPELINING is offered
 * (RFC 2920). Settles once. A refusal leaves the connection usable, anything else that is no acceptance closes it.
 */
export function beginTransaction(
  { envelope, raw }: OutgoingMessage,
  time: TransactionTime,
  deps: TransactionDeps,
): Exchange {
  const { socket, offer, close } = deps
  const commands = formatEnvelope(envelope, raw.length, offer)
  const phases = createPhases(deps.observePhase)
  const timer = createStepTimer(Math.min(time.firstReplyMs, time.handOverMs, time.ms), () => fail('timeout'))
  let refused: FailedAttempt | undefined
  let isHandedOver = false
  let verdict: NodeJS.Immediate | undefined

  function settle(outcome: Outcome): void {
    timer.stop()
    clearImmediate(verdict)
    phases.end()
    deps.settle(outcome)
  }

  function leave(outcome: Outcome): void {
    settle(outcome)
    close()
  }

  /** With a reply missing, a complaint about the order says that a command before it was lost, not that it is refused. */
  function fail(cause: 'timeout' | 'connection'): void {
    if (isHandedOver) return leave({ outcome: 'unknown', phase: 'body', cause })
    if (refused && refused.code !== outOfOrder) return leave(refused)
    leave({ outcome: 'not_sent', phase: refused?.phase ?? phases.current(), cause })
  }

  /** Without PIPELINING nothing follows a refusal; with it the replies to what was said already do. */
  function refuse(codes: ReplyCodes): void {
    refused ??= { outcome: 'not_sent', phase: phases.current(), cause: 'reply', ...codes }
    if (codes.code === 421) leave(refused)
    else if (offer.pipelining && phases.current() !== 'data') phases.next()
    else settle(refused)
  }

  function goOn(isLast: boolean): void {
    phases.next()
    if (offer.pipelining) return
    if (!isLast) fail('connection')
    else socket.write(phases.current() === 'rcpt' ? commands[1] : commands[2])
  }

  function handOver(isLast: boolean): void {
    if (refused?.phase === 'mail' || !isLast) return fail('connection')
    if (!deps.mayHandOver()) return fail('timeout')
    phases.next()
    timer.putOff(time.ms)
    isHandedOver = refused === undefined
    socket.write(isHandedOver ? formatBody(raw) : nothing, 'latin1')
  }

  /** Of TLS it is told a moment late that the dot has left; whatever happens until then leaves the reply in doubt. */
  function hearVerdict(reply: string, isLast: boolean): void {
    if (verdict) return fail('connection')
    if (socket.writableLength === 0) return conclude(reply, isLast)
    verdict = setImmediate(conclude, reply, isLast)
  }

  /**
   * A refusal counts if it is all that was said, also when it overtakes the dot; but then what is left of the message must
   * not be read as commands.
   */
  function conclude(reply: string, isLast: boolean): void {
    const isEarly = socket.writableLength > 0
    if (refused) return settle(refused)
    const codes = parseReply(reply)
    if (codes?.code === 250 && !isEarly) return settle(accepted(parseQueueId(reply)))
    if (codes === undefined || codes.code < 400 || !isLast) return fail('connection')
    const outcome = { outcome: 'not_sent', phase: 'body', cause: 'reply', ...codes } as const
    return codes.code === 421 || isEarly ? leave(outcome) : settle(outcome)
  }

  socket.write(offer.pipelining ? commands.join('') : commands[0])
  return {
    hear(reply, isLast) {
      const phase = phases.current()
      if (phase === 'body') return hearVerdict(reply, isLast)
      timer.putOff(Math.min(time.handOverMs, time.ms))
      const codes = parseReply(reply)
      const code = codes?.code ?? 0
      if (codes && code >= 400) refuse(codes)
      else if (phase === 'data' && code === 354) handOver(isLast)
      else if (phase !== 'data' && code >= 200 && code < 300) goOn(isLast)
      else fail('connection')
    },
    fail,
  }
}

function accepted(responseId: string | undefined): Outcome {
  return { outcome: 'accepted', ...(responseId !== undefined && { responseId }) }
}

const order = ['mail', 'rcpt', 'data', 'body'] as const

/** Follows which reply is awaited, and tells how long each phase took; the message counts to `data`. */
function createPhases(observe: (phase: Phase, milliseconds: number) => void) {
  let at = 0
  let since = performance.now()
  const current = () => order[at] ?? 'body'

  function tell(): void {
    const now = performance.now()
    observe(current() === 'body' ? 'data' : current(), now - since)
    since = now
  }

  return {
    current,
    next(): void {
      if (current() !== 'data') tell()
      at += 1
    },
    end: tell,
  }
}
