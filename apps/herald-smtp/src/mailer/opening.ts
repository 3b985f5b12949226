import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'

import SMTPConnection from 'nodemailer/lib/smtp-connection'

import type { Cause, Phase } from './mailer.ts'
import { parseReply } from './reply-text.ts'
import { createTurnKeeper, type TurnKeeper } from './turn-keeper.ts'

/** Why a step did not come to its end; `detail` is an error code of Node's, never text of the server's. */
export type Fault = {
  cause: Extract<Cause, 'reply' | 'timeout' | 'connection' | 'dns' | 'tls' | 'auth'>
  phase: Phase
  code?: number
  enhancedCode?: string
  relayDenied?: true
  detail?: string
}

/** What AUTH says (RFC 4616, LOGIN, XOAUTH2); a server that refuses a token gets one more, renewed. */
export type Login =
  | { method: 'PLAIN' | 'LOGIN'; user: string; password: string }
  | { method: 'XOAUTH2'; user: string; token: (options: { renewed: boolean }) => Promise<string> }

/** How a step ended. */
export type Step<T> = { ok: true; value: T } | { ok: false; fault: Fault }

/** The opening of one SMTP connection, whose every step settles within its milliseconds; a step out of time closes it. */
export type Opening = {
  /** Greeting, EHLO and TLS; the value is the last reply to EHLO, or to HELO. */
  open(ms: number, greetingMs: number): Promise<Step<string>>
  login(ms: number, login: Login): Promise<Step<void>>
  /** Hands over the socket, on which nothing is said or heard from here any more but its end. */
  release(): Socket
  close(): void
  closed(): boolean
  /** Resolves when the connection has gone, for whatever reason. */
  ended: Promise<void>
  /** The TLS socket once there is one. */
  secured(): TLSSocket | undefined
}

/** How to speak on an open TCP socket. */
export type OpeningOptions = {
  socket: Socket
  host: string
  tls: 'required-starttls' | 'implicit' | 'none'
  secureContext?: SecureContext
  rejectUnauthorized: boolean
  /** A TLS session of an earlier connection to the same server. */
  session?: Buffer
  clientName?: string
  /** When connecting began, by `performance.now()`. */
  dialledAt: number
  observePhase?: (phase: Phase, milliseconds: number) => void
}

type SmtpError = Error & {
  code?: string | undefined
  originalCode?: string | undefined
  command?: string | undefined
  response?: string | undefined
}

const phaseOfVerb: Readonly<Record<string, Phase>> = { EHLO: 'connect', HELO: 'connect', STARTTLS: 'tls' }

const phaseOf = (command: string): Phase => phaseOfVerb[command.split(' ', 1)[0] ?? ''] ?? 'auth'

/** Adds up how long a step spends in each phase, and tells it when the step ends. */
function createPhaseClock(observe: (phase: Phase, milliseconds: number) => void) {
  const spent = new Map<Phase, number>()
  let current: Phase | undefined
  let since = 0

  function enter(next: Phase | undefined): void {
    if (current === undefined) return
    const at = performance.now()
    spent.set(current, (spent.get(current) ?? 0) + at - since)
    current = next
    since = at
  }

  return {
    start(phase: Phase, at = performance.now()): void {
      current = phase
      since = at
    },
    enter,
    stop(): void {
      enter(undefined)
      spent.forEach((milliseconds, phase) => observe(phase, milliseconds))
      spent.clear()
    },
  }
}

type Listener = TurnKeeper & { onCommand(phase: Phase): void }

/** Follows commands and replies through nodemailer's log interface; nothing of them is kept or printed. */
function followDialogue(listener: Listener) {
  const awaited: Phase[] = ['connect']
  let answered: Phase = 'connect'
  let silent = true
  const ignore = (): void => {}
  function debug(entry: { tnx?: string }, line: string): void {
    if (entry.tnx === 'client') {
      if (awaited.length === 0) listener.onTurn()
      awaited.push(phaseOf(line))
      listener.onCommand(phaseOf(line))
    }
    if (entry.tnx !== 'server') return
    silent = false
    answered = awaited.shift() ?? answered
    listener.onReply(answered, line)
  }
  return {
    logger: { trace: ignore, debug, info: ignore, warn: ignore, error: ignore, fatal: ignore },
    /** Names the phase of the next step until its first command has gone out. */
    begin: (phase: Phase): void => void (answered = phase),
    awaited: (): Phase => awaited[0] ?? answered,
    answered: (): Phase => answered,
    silent: (): boolean => silent,
  }
}

function createConnection(options: OpeningOptions, logger: object): SMTPConnection {
  const { socket, host, secureContext, rejectUnauthorized, session, clientName } = options
  return new SMTPConnection({
    connection: socket,
    host,
    secure: options.tls === 'implicit',
    requireTLS: options.tls === 'required-starttls',
    ignoreTLS: options.tls === 'none',
    tls: { rejectUnauthorized, ...(secureContext && { secureContext }), ...(session && { session }) },
    socketCloseTimeout: 0,
    maxResponseSize: 16_384,
    transactionLog: true,
    logger,
    ...(clientName !== undefined && { name: clientName }),
  })
}

/** Tells what nodemailer's error means; a reply counts only if it is complete and answers something. */
function readFault(error: SmtpError, at: { awaited: Phase; answered: Phase; upgrading: boolean }): Fault {
  const { command = 'CONN', code, originalCode = code, response = '' } = error
  const detail = originalCode === undefined ? {} : { detail: originalCode }
  const reply = parseReply(response)
  // Said out of turn it ends the session.
  const closing = reply?.code === 421
  if ((code === 'ETLS' || at.upgrading) && !closing)
    return { cause: 'tls', phase: 'tls', ...reply, ...detail }
  const greeting = code === 'EPROTOCOL' && at.answered === 'connect'
  if (reply === undefined || reply.code < 400 || !(closing || greeting || command !== 'CONN'))
    return { cause: 'connection', phase: at.awaited, ...detail }
  const phase = command === 'CONN' ? at.answered : phaseOf(command)
  return { cause: 'reply', phase, ...reply }
}

type Done<T> = (error: SmtpError | null | undefined, value?: T) => void

async function tokenInto(
  token: Promise<string>,
  done: (error: unknown, token?: string) => void,
): Promise<void> {
  const settled = await token.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in settled) done(null, settled.value)
  else done(settled.error)
}

function authDataOf(login: Login): Parameters<SMTPConnection['login']>[0] {
  const { method, user } = login
  if (method !== 'XOAUTH2') return { method, credentials: { user, pass: login.password } }
  const oauth2 = {
    getToken: (renewed: boolean, done: (error: unknown, token?: string) => void) =>
      void tokenInto(login.token({ renewed }), done),
    buildXOAuth2Token: (token: string) =>
      Buffer.from(`user=${user}\x01auth=Bearer ${token}\x01\x01`).toString('base64'),
  }
  return { method, oauth2 } as unknown as Parameters<SMTPConnection['login']>[0]
}

/** Wraps nodemailer's connection around an open socket; nothing is sent before `open`. */
export function createOpening(options: OpeningOptions): Opening {
  const clock = createPhaseClock(options.observePhase ?? (() => {}))
  const dialogue = followDialogue({
    onTurn: () => turns.onTurn(),
    onCommand: clock.enter,
    onReply: (phase, line) => turns.onReply(phase, line),
  })
  const connection = createConnection(options, dialogue.logger)
  const turns = createTurnKeeper(connection)
  let fail: ((fault: Fault) => void) | undefined
  const ended = Promise.withResolvers<void>()
  let closed = false

  const upgrading = (): boolean => connection.upgrading === true
  const phase = (): Phase => (upgrading() ? 'tls' : dialogue.awaited())
  const faultOf = (error: SmtpError): Fault =>
    readFault(error, { awaited: phase(), answered: dialogue.answered(), upgrading: upgrading() })
  const expire = (): void => {
    fail?.({ cause: 'timeout', phase: phase() })
    connection.close()
  }

  connection.on('error', (error: SmtpError) => fail?.(faultOf(error)))
  connection.on('end', () => {
    closed = true
    ended.resolve()
    // The callback of the step, if it comes, comes in this tick and knows more.
    queueMicrotask(() => fail?.({ cause: 'connection', phase: phase() }))
  })

  function step<T>(first: Phase, ms: number, run: (done: Done<T>) => void): Promise<Step<T>> {
    dialogue.begin(first)
    return new Promise((resolve) => {
      const timer = setTimeout(expire, ms)
      const settle = (result: Step<T>): void => {
        if (fail !== failStep) return
        fail = undefined
        clearTimeout(timer)
        resolve(result)
      }
      const failStep = (fault: Fault): void => settle({ ok: false, fault })
      fail = failStep
      run((error, value) => (error ? failStep(faultOf(error)) : settle({ ok: true, value: value as T })))
    })
  }

  return {
    open(ms, greetingMs) {
      const greeting = setTimeout(() => dialogue.silent() && expire(), greetingMs).unref()
      clock.start('connect', options.dialledAt)
      // The greeting follows the handshake; what it takes is counted with it.
      if (options.tls === 'implicit') clock.enter('tls')
      return step<string>('connect', ms, (done) =>
        connection.connect((error) => done(error, String(connection.lastServerResponse))),
      ).finally(() => {
        clearTimeout(greeting)
        clock.stop()
      })
    },
    login(ms, login) {
      clock.start('auth')
      return step<void>('auth', ms, (done) =>
        connection.login(authDataOf(login), (error) => done(error)),
      ).finally(() => clock.stop())
    },
    release() {
      turns.onTurn()
      const socket = connection._socket as Socket
      socket.removeAllListeners('data')
      return socket
    },
    close: () => connection.close(),
    closed: () => closed,
    ended: ended.promise,
    secured: () => (connection._socket instanceof TLSSocket ? connection._socket : undefined),
  }
}
