import { setTimeout as pause } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'

import { createLineReader, type LineReader } from './line-reader.ts'
import { formatReply, type SmtpRules, type SmtpStep } from './smtp-script.ts'

/** A message the server answered with 250; `raw` has its dots unstuffed. */
export type AcceptedMessage = {
  connection: number
  from: string
  mailParameters: string
  to: readonly string[]
  raw: Buffer
  secure: boolean
  user?: string
}

/** A line a client sent, bodies left out. */
export type ReceivedCommand = { connection: number; line: string; secure: boolean }

/** What the server offers and expects. */
export type SmtpServerProfile = {
  tls: 'none' | 'starttls' | 'implicit'
  /** EHLO keywords besides STARTTLS and AUTH. */
  extensions: readonly string[]
  /** Left out of EHLO, though the command works. */
  hideStarttls: boolean
  authMechanisms: readonly string[]
  /** Users and their passwords or access tokens; with any, MAIL without AUTH is refused. */
  users: Readonly<Record<string, string>>
  replyToBody: (message: Omit<AcceptedMessage, 'raw'>) => string
}

/** What a session writes down. */
export type SmtpRecord = {
  commands: ReceivedCommand[]
  messages: AcceptedMessage[]
  resumedHandshakes: number
  /** Commands that came before the reply to the one before, though PIPELINING was not offered. */
  unaskedPipelining: number
}

type Transaction = { from: string; mailParameters: string; to: string[] }

type Session = {
  socket: Socket
  reader: LineReader
  secure: boolean
  user?: string
  transaction?: Transaction
}

/** Ends a session the script told to stop talking; the socket stays open. */
class SilenceKept extends Error {}

const endless = '250-More\r\n'

function drip(socket: Socket): void {
  let sent = 0
  const timer = setInterval(() => socket.write(endless.charAt(sent++ % endless.length)), 5)
  socket.once('close', () => clearInterval(timer))
}

/** Talks to one client until it leaves, is dropped, or is met with silence. */
export async function serveSmtpSession(
  socket: Socket,
  options: {
    connection: number
    profile: SmtpServerProfile
    rules: SmtpRules
    record: SmtpRecord
    secureContext?: SecureContext
  },
): Promise<void> {
  const { connection, profile, rules, record } = options
  const session: Session = { socket, reader: createLineReader(socket), secure: false }

  async function act(step: SmtpStep, usual: () => string, recipient?: string): Promise<string> {
    const rule = rules.take(step, recipient)
    if (rule === 'drop') session.socket.destroySoon()
    if (rule === 'drip') drip(session.socket)
    if (rule === 'drop' || rule === 'drip' || rule === 'silence') throw new SilenceKept()
    if (rule !== undefined && 'delayMs' in rule) await pause(rule.delayMs)
    const scripted = rule !== undefined && !('delayMs' in rule) ? rule : undefined
    const text =
      scripted === undefined
        ? usual()
        : 'raw' in scripted
          ? scripted.raw
          : formatReply(scripted.code, scripted.text)
    if (!profile.extensions.includes('PIPELINING') && session.reader.pending() > 0)
      record.unaskedPipelining += 1
    session.socket.write(text)
    if (scripted?.drop === true) {
      session.socket.end()
      throw new SilenceKept()
    }
    return text
  }

  async function secureSocket(): Promise<void> {
    const rule = rules.take('handshake')
    session.reader.detach()
    if (rule === 'drop') session.socket.destroySoon()
    if (rule !== undefined) throw new SilenceKept()
    const { secureContext } = options
    if (secureContext === undefined) throw new Error('no certificate was given')
    const secured = new TLSSocket(session.socket, { isServer: true, secureContext })
    secured.on('error', () => secured.destroy())
    secured.once('secure', () => {
      if (secured.isSessionReused()) record.resumedHandshakes += 1
    })
    session.socket = secured
    session.reader = createLineReader(secured)
    session.secure = true
  }

  function ehloReply(): string {
    const starttls = profile.tls === 'starttls' && !session.secure && !profile.hideStarttls
    const auth = profile.authMechanisms.length > 0 ? [`AUTH ${profile.authMechanisms.join(' ')}`] : []
    return formatReply(250, [
      'test.example',
      ...profile.extensions,
      ...(starttls ? ['STARTTLS'] : []),
      ...auth,
    ])
  }

  function checkCredentials(user: string, password: string): string {
    if (profile.users[user] !== password) return formatReply(535, '5.7.8 Authentication credentials invalid')
    session.user = user
    return formatReply(235, '2.7.0 Authentication successful')
  }

  async function ask(prompt: string): Promise<string> {
    session.socket.write(formatReply(334, Buffer.from(prompt).toString('base64')))
    const line = (await session.reader.line()) ?? ''
    record.commands.push({ connection, line, secure: session.secure })
    return Buffer.from(line, 'base64').toString()
  }

  /** A refused token is explained first, and the client has to acknowledge that. */
  async function authenticateByToken(initial: string): Promise<void> {
    const fields = Buffer.from(initial, 'base64').toString().split('\x01')
    const [user = '', token = ''] = fields.map((field) => field.replace(/^(user=|auth=Bearer )/, ''))
    if (profile.users[user] !== token) await ask('{"status":"401"}')
    await act('auth', () => checkCredentials(user, token))
  }

  async function authenticate(line: string): Promise<void> {
    const [, mechanism = '', initial = ''] = line.split(' ')
    if (mechanism.toUpperCase() === 'LOGIN') {
      const user = await ask('Username:')
      const password = await ask('Password:')
      await act('auth', () => checkCredentials(user, password))
      return
    }
    if (mechanism.toUpperCase() === 'XOAUTH2') {
      await authenticateByToken(initial)
      return
    }
    const [, user = '', password = ''] = Buffer.from(initial, 'base64').toString().split('\0')
    await act('auth', () => checkCredentials(user, password))
  }

  function mailReply(line: string): string {
    if (session.transaction !== undefined) return formatReply(503, '5.5.1 Nested MAIL command')
    if (Object.keys(profile.users).length > 0 && session.user === undefined)
      return formatReply(530, '5.7.0 Authentication required')
    const [, from = '', mailParameters = ''] = /^MAIL FROM:<([^>]*)> ?(.*)$/i.exec(line) ?? []
    session.transaction = { from, mailParameters, to: [] }
    return formatReply(250, '2.1.0 Sender ok')
  }

  async function receiveRecipient(line: string): Promise<void> {
    const [, to = ''] = /^RCPT TO:<([^>]*)>/i.exec(line) ?? []
    const usual = session.transaction ? '250 2.1.5 Recipient ok\r\n' : '503 5.5.1 MAIL first\r\n'
    const reply = await act('rcpt', () => usual, to)
    if (reply.startsWith('2')) session.transaction?.to.push(to)
  }

  async function receiveBody(): Promise<void> {
    const { transaction } = session
    if (transaction === undefined || transaction.to.length === 0) {
      await act('data', () => formatReply(503, '5.5.1 No valid recipients'))
      return
    }
    const reply = await act('data', () => formatReply(354, 'Go ahead'))
    if (!reply.startsWith('354')) return
    const stuffed = await session.reader.until('\r\n.\r\n')
    if (stuffed === undefined) return
    delete session.transaction
    const raw = Buffer.from(`${stuffed.toString('latin1').replace(/(^|\r\n)\./g, '$1')}\r\n`, 'latin1')
    const seen = { connection, ...transaction, secure: session.secure }
    const message = session.user === undefined ? seen : { ...seen, user: session.user }
    const [recipient] = transaction.to
    const answer = await act('body', () => profile.replyToBody(message), recipient)
    if (answer.startsWith('250')) record.messages.push({ ...message, raw })
  }

  async function startTls(): Promise<void> {
    if (profile.tls !== 'starttls' || session.secure) {
      await act('starttls', () => formatReply(502, '5.5.1 Not available'))
      return
    }
    const reply = await act('starttls', () => formatReply(220, '2.0.0 Ready'))
    if (reply.startsWith('220')) await secureSocket()
  }

  const steps: Record<string, (line: string) => Promise<unknown>> = {
    EHLO: () => act('ehlo', ehloReply),
    HELO: () => act('ehlo', () => formatReply(250, 'test.example')),
    STARTTLS: startTls,
    AUTH: authenticate,
    MAIL: (line) => act('mail', () => mailReply(line)),
    RCPT: receiveRecipient,
    DATA: receiveBody,
    RSET: () => {
      delete session.transaction
      return act('rset', () => formatReply(250, '2.0.0 Reset'))
    },
    QUIT: async () => {
      await act('quit', () => formatReply(221, '2.0.0 Bye'))
      session.socket.end()
    },
  }

  try {
    if (profile.tls === 'implicit') await secureSocket()
    await act('greeting', () => formatReply(220, 'test.example ESMTP'))
    for (;;) {
      const line = await session.reader.line()
      if (line === undefined) return
      record.commands.push({ connection, line, secure: session.secure })
      const verb = line.split(' ')[0]?.toUpperCase() ?? ''
      const step = steps[verb]
      if (step === undefined) session.socket.write(formatReply(500, '5.5.2 Unknown command'))
      else await step(line)
    }
  } catch (error) {
    if (!(error instanceof SilenceKept)) throw error
  }
}
