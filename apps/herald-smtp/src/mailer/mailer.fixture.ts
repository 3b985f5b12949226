import { startSmtpServer, type SmtpServer, type SmtpServerOptions } from '@herald/testing'
import { onTestFinished } from 'vitest'

import { upstreamDefaults, type Mailer, type OutgoingMessage, type UpstreamSettings } from './mailer.ts'
import { createSmtpMailer } from './smtp-mailer.ts'

/** What a test changes of the settings; the rest fits a plain server on loopback. */
export type MailerChanges = Partial<Omit<UpstreamSettings, 'timeouts'>> & {
  timeouts?: Partial<UpstreamSettings['timeouts']>
}

/** Lines the mailer logged. */
export type LoggedLine = Record<string, unknown>

/** Starts a server that the test's end stops. */
export async function serverFor(options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const server = await startSmtpServer(options)
  onTestFinished(() => server.stop())
  return server
}

/** Makes a mailer for the server; the test's end closes it. */
export function mailerFor(
  server: { port: number },
  { timeouts, ...changes }: MailerChanges = {},
  now: () => number = Date.now,
): Mailer & { logged: LoggedLine[] } {
  const logged: LoggedLine[] = []
  const mailer = createSmtpMailer(
    {
      name: 'primary',
      host: '127.0.0.1',
      port: server.port,
      tls: 'none',
      rejectUnauthorized: true,
      ...upstreamDefaults,
      ...changes,
      timeouts: { ...upstreamDefaults.timeouts, ...timeouts },
    },
    { now, logger: { warn: (fields) => void logged.push(fields) } },
  )
  onTestFinished(() => mailer.close())
  return { ...mailer, logged }
}

/** A message of few lines, one of which begins with a dot. */
export function messageTo(to: string, changes: Partial<OutgoingMessage['envelope']> = {}): OutgoingMessage {
  return {
    envelope: { from: 'noreply@herald.example', to, ...changes },
    raw: Buffer.from(`To: ${to}\r\nSubject: Code\r\n\r\n.hidden\r\n..twice\r\nline\r\n`),
  }
}

/** A deadline that many milliseconds from now. */
export const within = (ms: number): { deadline: number } => ({ deadline: Date.now() + ms })
