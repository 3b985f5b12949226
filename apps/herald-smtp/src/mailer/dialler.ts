import { connect, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'

import { createAuthenticate } from './authenticate.ts'
import { createDialogue } from './dialogue.ts'
import type { FailedAttempt, MailerLogger, MailerObserver, Phase, UpstreamSettings } from './mailer.ts'
import { createOpening, type Fault, type Opening } from './opening.ts'
import { parseOffer, type Offer } from './reply-text.ts'
import { createSession, msLeft, notSent, type Session } from './session.ts'

/** A session, or why there is none. */
export type Dialled = { ok: true; session: Session } | { ok: false; failure: FailedAttempt }

/** Opens sessions with one upstream. */
export type Dialler = {
  dial(deadline: number): Promise<Dialled>
  /** Cuts everything that was opened or is being opened. */
  close(): void
  resumedSessions(): number
}

type Reached = { ok: true; socket: Socket } | { ok: false; fault: Fault }

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
  const observePhase = (phase: Phase, milliseconds: number) => observer?.phase(phase, milliseconds)
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

  function rememberTls(opening: Opening): void {
    const socket = opening.secured()
    if (socket === undefined) return
    if (socket.isSessionReused()) resumedSessions += 1
    resumable = socket.getSession()
    socket.on('session', (session) => (resumable = session))
  }

  async function greet(opening: Opening, deadline: number): Promise<Fault | Offer> {
    const opened = await opening.open(msLeft(deadline, now), timeouts.greetingMs)
    if (!opened.ok) return opened.fault
    rememberTls(opening)
    const offer = parseOffer(opened.value)
    return (await authenticate?.(opening, offer, msLeft(deadline, now))) ?? offer
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
    const opening = createOpening({
      socket: reached.socket,
      host,
      tls,
      secureContext,
      rejectUnauthorized,
      dialledAt,
      observePhase,
      ...(resumable !== undefined && { session: resumable }),
      ...(clientName !== undefined && { clientName }),
    })
    const greeted = await greet(opening, deadline)
    if ('cause' in greeted) {
      resumable = undefined
      opening.close()
      return refuse(greeted)
    }
    const dialogue = createDialogue(opening.release(), { ...opening, offer: greeted, observePhase })
    const session = createSession({ opening, dialogue, offer: greeted }, settings, now)
    void opening.ended.then(() => deps.onEnd(session))
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
