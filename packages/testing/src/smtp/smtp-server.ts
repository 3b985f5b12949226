import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'

import {
  createSmtpRules,
  formatReply,
  type SmtpAct,
  type SmtpRuleLimits,
  type SmtpStep,
} from './smtp-script.ts'
import {
  serveSmtpSession,
  type AcceptedMessage,
  type SmtpRecord,
  type SmtpServerProfile,
} from './smtp-session.ts'

/** A server on 127.0.0.1 that does as SMTP says until a rule tells it otherwise. */
export type SmtpServer = {
  port: number
  messages: readonly AcceptedMessage[]
  record: Readonly<SmtpRecord>
  /** Connections accepted so far, and those open now. */
  connections(): { accepted: number; open: number }
  /** How many commands of one verb came in. */
  count(verb: string): number
  on(step: SmtpStep, act: SmtpAct, limits?: SmtpRuleLimits): void
  /** Forgets the rules; what was recorded stays. */
  behave(): void
  /** Writes to every open connection out of turn. */
  say(text: string): void
  /** Ends every open connection, as a server does with idle ones. */
  cut(): void
  stop(): Promise<void>
}

/** What to change of a plain, friendly server; `certificate` is needed for TLS and may lower its version. */
export type SmtpServerOptions = Partial<SmtpServerProfile> & {
  certificate?: SecureContextOptions
  port?: number
}

const friendly: SmtpServerProfile = {
  tls: 'none',
  extensions: ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE 10485760'],
  hideStarttls: false,
  authMechanisms: [],
  users: {},
  replyToBody: () => formatReply(250, '2.0.0 Ok: queued as 4TEST1234'),
}

/** Starts a scriptable SMTP server over real sockets on a free port of 127.0.0.1. */
export async function startSmtpServer(options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const { certificate, port = 0, ...changes } = options
  const profile = { ...friendly, ...changes }
  const rules = createSmtpRules()
  const record: SmtpRecord = { commands: [], messages: [], resumedHandshakes: 0, unaskedPipelining: 0 }
  const open = new Set<Socket>()
  const secured = certificate === undefined ? {} : { secureContext: createSecureContext(certificate) }
  let accepted = 0

  const server = createServer((socket) => {
    accepted += 1
    open.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy()).once('close', () => open.delete(socket))
    void serveSmtpSession(socket, { connection: accepted, profile, rules, record, ...secured })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    messages: record.messages,
    record,
    connections: () => ({ accepted, open: open.size }),
    count: (verb) => record.commands.filter(({ line }) => line.toUpperCase().startsWith(verb)).length,
    on: rules.add,
    behave: rules.clear,
    say: (text) => open.forEach((socket) => socket.write(text)),
    cut: () => open.forEach((socket) => socket.end()),
    async stop() {
      server.close()
      open.forEach((socket) => socket.destroy())
      await once(server, 'close')
    },
  }
}
