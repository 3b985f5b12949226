import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createSecureContext } from 'node:tls'

import { createAuthenticate } from './authenticate.ts'
import type {
  FailedAttempt,
  MailerObserver,
  OutgoingMessage,
  SendOptions,
  UpstreamSettings,
} from './mailer.ts'
import { isAcceptance, parseOffer, parseQueueId, type Offer } from './reply-text.ts'
import { createConversation, type Conversation, type Fault } from './upstream.ts'

/** What one transaction came to. */
export type Outcome = { outcome: 'accepted'; responseId?: string } | FailedAttempt

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

/** A session, or why there is none. */
export type Dialled = { ok: true; session: Session } | { ok: false; failure: FailedAttempt }

/** Opens sessions with one upstream. */
export type Dialler = {
  dial(deadline: number): Promise<Dialled>
  /** Cuts everything that was opened or is being opened. */
  close(): void
  resumedSessions(): number
}

/** The little of a logger that the mailer needs. */
export type MailerLogger = { warn(fields: Record<string, unknown>, message: string): void }

type Reached = { ok: true; socket: Socket } | { ok: false; fault: Fault }

const notSent = (failure: Omit<FailedAttempt, 'outcome'>): FailedAttempt => ({
  outcome: 'not_sent',
  ...failure,
})

/** A timer takes no negative time without a warning. */
const msLeft = (until: number, now: () => number): number => Math.max(until - now(), 0)

const asciiOnly = /^[\x21-\x7e]*$/
const wireSafe = /^[^\s\p{Cc}<>]*$/u

function reach(settings: UpstreamSettings, ms: number, opened: (socket: Socket) => void): Promise<Reached> {
  return new Promise((resolve) => {
    const socket = connect({ host: settings.host, port: settings.port, noDelay: true })
    opened(socket)
    const fail = (cause: Fault['cause'], detail?: string): void => {
      clearTimeout(timer)
      resolve({ ok: false, fault: { phase: 'connect', cause, ...(detail !== undefined && { detail }) } })
    }
    const timer = setTimeout(() => {
      fail('timeout')
      socket.destroy()
    }, ms)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve({ ok: true, socket })
    })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      fail(error.syscall === 'getaddrinfo' ? 'dns' : 'connection', error.code),
    )
    socket.once('close', () => fail('connection'))
  })
}

/** Says why an envelope or a message cannot go over this connection at all. */
function refuseUnsent({ envelope, raw }: OutgoingMessage, offer: Offer): FailedAttempt | undefined {
  const { from, to } = envelope
  if (!wireSafe.test(from) || !wireSafe.test(to) || to === '')
    return notSent({ phase: 'mail', cause: 'address' })
  const international = envelope.smtpUtf8 || !asciiOnly.test(from) || !asciiOnly.test(to)
  if (international && !offer.smtpUtf8) return notSent({ phase: 'mail', cause: 'address' })
  if (raw.length > offer.sizeMax) return notSent({ phase: 'mail', cause: 'size' })
  return undefined
}

/** A refusal is not_sent; without one the body tells: unread is not_sent, read is unknown. */
function judgeFault(fault: Fault, bodyRead: boolean): FailedAttempt {
  const { cause, phase, detail: _, ...reply } = fault
  if (cause === 'reply') return notSent({ phase, cause, ...reply })
  if (!bodyRead) return notSent({ phase, cause })
  return { outcome: 'unknown', phase: 'body', cause: cause === 'timeout' ? 'timeout' : 'connection' }
}

function createSession(
  conversation: Conversation,
  offer: Offer,
  settings: UpstreamSettings,
  now: () => number,
): Session {
  const { partingMs, greetingMs } = settings.timeouts
  let transactions = 0
  let refused = false

  async function transact(message: OutgoingMessage, limits: Required<SendOptions>): Promise<Outcome> {
    const refusal = refuseUnsent(message, offer)
    if (refusal) return refusal
    const { envelope, raw } = message
    const body = new Readable({
      read() {
        // After a pause of the whole process the reply to DATA can overtake the timer; others may be sending by then.
        if (now() >= limits.handOverBy) return void this.destroy(new Error('the deadline has passed'))
        this.push(raw)
        this.push(null)
      },
    })
    const ms = msLeft(limits.deadline, now)
    const firstReplyMs = transactions === 0 ? ms : Math.min(greetingMs, ms)
    transactions += 1
    const addresses = { from: envelope.from, to: [envelope.to], size: raw.length }
    const time = { ms, firstReplyMs, handOverMs: msLeft(limits.handOverBy, now) }
    const step = await conversation.send(time, addresses, body)
    if (step.ok && !isAcceptance(step.value)) {
      conversation.close()
      return { outcome: 'unknown', phase: 'body', cause: 'connection' }
    }
    if (step.ok) {
      const responseId = parseQueueId(step.value)
      return { outcome: 'accepted', ...(responseId !== undefined && { responseId }) }
    }
    refused = step.fault.cause === 'reply'
    if (!refused) conversation.close()
    const fault = body.errored === null ? step.fault : ({ phase: 'data', cause: 'timeout' } as const)
    return judgeFault(fault, body.readableDidRead)
  }

  async function reset(): Promise<void> {
    refused = false
    const step = await conversation.reset(partingMs)
    if (!step.ok) conversation.close()
  }

  return {
    transact,
    reset,
    needsReset: () => refused,
    quit: () => conversation.quit(partingMs),
    closed: () => conversation.closed(),
    openedAt: now(),
    transactions: () => transactions,
  }
}

/** Prepares what all connections to one upstream share; throws when `ca` is no certificate. */
export function createDialler(
  settings: UpstreamSettings,
  deps: {
    now: () => number
    logger: MailerLogger
    onEnd: (session: Session) => void
    observer?: MailerObserver
  },
): Dialler {
  const { now, logger, observer } = deps
  const { host, tls, rejectUnauthorized, clientName, timeouts } = settings
  const secureContext = createSecureContext({
    minVersion: 'TLSv1.2',
    ...(settings.ca !== undefined && { ca: settings.ca }),
  })
  const authenticate = settings.auth && createAuthenticate(settings.auth, { now })
  const open = new Set<Socket>()
  let closed = false
  let resumable: Buffer | undefined
  let resumedSessions = 0

  const track = (socket: Socket): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }

  function rememberTls(conversation: Conversation): void {
    const socket = conversation.secured()
    if (socket === undefined) return
    if (socket.isSessionReused()) resumedSessions += 1
    resumable = socket.getSession()
    socket.on('session', (session) => (resumable = session))
  }

  async function greet(conversation: Conversation, deadline: number): Promise<Fault | Offer> {
    const opened = await conversation.open(msLeft(deadline, now), timeouts.greetingMs)
    if (!opened.ok) return opened.fault
    rememberTls(conversation)
    const offer = parseOffer(opened.value)
    return (await authenticate?.(conversation, offer, msLeft(deadline, now))) ?? offer
  }

  function refuse({ detail, ...fault }: Fault): Dialled {
    const { name: upstream } = settings
    logger.warn({ upstream, ...fault, ...(detail && { detail }) }, 'cannot open an SMTP connection')
    return { ok: false, failure: notSent(fault) }
  }

  async function dial(deadline: number): Promise<Dialled> {
    if (closed) return refuse({ phase: 'connect', cause: 'connection' })
    const dialledAt = performance.now()
    const reached = await reach(settings, Math.min(timeouts.connectMs, msLeft(deadline, now)), track)
    if (!reached.ok) return refuse(reached.fault)
    const conversation = createConversation({
      socket: reached.socket,
      host,
      tls,
      secureContext,
      rejectUnauthorized,
      dialledAt,
      ...(observer && { observePhase: (phase, ms) => observer.phase(phase, ms) }),
      ...(resumable !== undefined && { session: resumable }),
      ...(clientName !== undefined && { clientName }),
    })
    const greeted = await greet(conversation, deadline)
    if ('cause' in greeted) {
      resumable = undefined
      conversation.close()
      return refuse(greeted)
    }
    const session = createSession(conversation, greeted, settings, now)
    void conversation.ended.then(() => deps.onEnd(session))
    return { ok: true, session }
  }

  return {
    dial,
    close() {
      closed = true
      open.forEach((socket) => socket.destroy())
    },
    resumedSessions: () => resumedSessions,
  }
}
