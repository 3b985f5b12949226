import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { TLSSocket, type SecureContext } from 'node:tls'

import SMTPConnection from 'nodemailer/lib/smtp-connection'

import type { Cause, Phase } from './mailer.ts'
import { parseReply } from './reply-text.ts'

/** Why a step did not come to its end; `detail` is an error code of Node's, never text of the server's. */
export type Fault = {
  cause: Extract<Cause, 'reply' | 'timeout' | 'connection' | 'dns' | 'tls' | 'auth'>
  phase: Phase
  code?: number
  enhancedCode?: string
  detail?: string
}

/** How a step ended. */
export type Step<T> = { ok: true; value: T } | { ok: false; fault: Fault }

/** One SMTP connection whose every step settles, one at a time, within its milliseconds; a step out of time closes it. */
export type Conversation = {
  /** Greeting, EHLO and TLS; the value is the last EHLO reply. */
  open(ms: number, greetingMs: number): Promise<Step<string>>
  login(ms: number, credentials: { method: string; user: string; password: string }): Promise<Step<void>>
  /** One transaction, of which the first reply has to come within `firstReplyMs`; the value is the 250 after the dot. */
  send(
    ms: number,
    firstReplyMs: number,
    envelope: SMTPConnection.Envelope,
    body: Readable,
  ): Promise<Step<string>>
  reset(ms: number): Promise<Step<void>>
  quit(ms: number): Promise<void>
  close(): void
  closed(): boolean
  /** Resolves when the connection has gone, for whatever reason. */
  ended: Promise<void>
  /** The TLS socket once there is one. */
  secured(): TLSSocket | undefined
}

/** How to speak on an open TCP socket. */
export type ConversationOptions = {
  socket: Socket
  host: string
  tls: 'required-starttls' | 'implicit' | 'none'
  secureContext?: SecureContext
  rejectUnauthorized: boolean
  /** A TLS session of an earlier connection to the same server. */
  session?: Buffer
  clientName?: string
}

type SmtpError = Error & {
  code?: string | undefined
  originalCode?: string | undefined
  command?: string | undefined
  response?: string | undefined
}

/** The phase a command belongs to; a lone dot ends the empty message of refused recipients. */
const phaseOfVerb: Readonly<Record<string, Phase>> = {
  EHLO: 'connect',
  HELO: 'connect',
  STARTTLS: 'tls',
  MAIL: 'mail',
  RCPT: 'rcpt',
  '.': 'rcpt',
  DATA: 'data',
  RSET: 'mail',
  QUIT: 'mail',
}

const phaseOf = (command: string): Phase => phaseOfVerb[command.split(' ', 1)[0] ?? ''] ?? 'auth'

/** Follows commands and replies through nodemailer's log interface; nothing of them is kept or printed. */
function followDialogue(onBrokenData: () => void) {
  const awaited: Phase[] = ['connect']
  let answered: Phase = 'connect'
  let silent = true
  const ignore = (): void => {}
  function debug(entry: { tnx?: string }, line: string): void {
    if (entry.tnx === 'client') awaited.push(phaseOf(line))
    if (entry.tnx !== 'server') return
    silent = false
    answered = awaited.shift() ?? 'body'
    if (answered === 'data' && line.startsWith('2')) onBrokenData()
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

function createConnection(options: ConversationOptions, logger: object): SMTPConnection {
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
  // Said out of turn it ends the session; a piece of one after the message tells nothing of the message.
  const closing = reply?.code === 421 && at.answered !== 'body'
  if ((code === 'ETLS' || at.upgrading) && !closing)
    return { cause: 'tls', phase: 'tls', ...reply, ...detail }
  const greeting = code === 'EPROTOCOL' && at.answered === 'connect'
  if (reply === undefined || reply.code < 400 || !(closing || greeting || command !== 'CONN'))
    return { cause: 'connection', phase: at.awaited, ...detail }
  const phase = code === 'EMESSAGE' ? 'body' : command === 'CONN' ? at.answered : phaseOf(command)
  return { cause: 'reply', phase, ...reply }
}

type Done<T> = (error: SmtpError | null | undefined, value?: T) => void

/** Wraps nodemailer's connection around an open socket; nothing is sent before `open`. */
export function createConversation(options: ConversationOptions): Conversation {
  // A server that answers DATA with 2xx is out of step: its next 250 could be for another command.
  const dialogue = followDialogue(() => connection.close())
  const connection = createConnection(options, dialogue.logger)
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
      return step<string>('connect', ms, (done) =>
        connection.connect((error) => done(error, String(connection.lastServerResponse))),
      ).finally(() => clearTimeout(greeting))
    },
    login: (ms, { method, user, password }) =>
      step('auth', ms, (done) =>
        connection.login({ method, credentials: { user, pass: password } }, (error) => done(error)),
      ),
    send(ms, firstReplyMs, envelope, body) {
      const firstReply = setTimeout(() => dialogue.awaited() === 'mail' && expire(), firstReplyMs).unref()
      return step<string>('mail', ms, (done) =>
        connection.send(envelope, body, (error, info) => done(error, info?.response)),
      ).finally(() => clearTimeout(firstReply))
    },
    reset: (ms) => step('mail', ms, (done) => connection.reset((error) => done(error))),
    async quit(ms) {
      if (closed) return
      await step('mail', ms, () => connection.quit())
      connection.close()
    },
    close: () => connection.close(),
    closed: () => closed,
    ended: ended.promise,
    secured: () => (connection._socket instanceof TLSSocket ? connection._socket : undefined),
  }
}
