import { buffer } from 'node:stream/consumers'
import { callbackify } from 'node:util'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Inbox } from './inbox.ts'

const bytesMax = 1024 * 1024

/** An SMTP server on the loopback address that accepts every message into the inbox and delivers none. */
export async function startMailCatcher(options: {
  inbox: Inbox
  port: number
}): Promise<{ port: number; close(): Promise<void> }> {
  const server = new SMTPServer({
    name: 'mail-catcher',
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 1000,
    size: bytesMax,
    onData: callbackify((stream: SMTPServerDataStream, session: SMTPServerSession) =>
      keepMail(options.inbox, stream, session),
    ),
  })
  // A client that breaks off is its own affair: without a listener the error would end the playground.
  server.on('error', () => undefined)

  const listener = server.listen(options.port, '127.0.0.1')
  await new Promise<void>((resolve, reject) => {
    listener.once('listening', resolve)
    listener.once('error', reject)
  })
  const address = listener.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** The text of the 250 reply; what it throws carries the code of another. */
async function keepMail(
  inbox: Inbox,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<string> {
  const raw = await buffer(stream)
  if (stream.sizeExceeded) throw refusal(552, '5.3.4 Message too big')
  const recipients = session.envelope.rcptTo.map(({ address }) => address)
  const { id } = await inbox.add(raw, recipients).catch(() => {
    throw refusal(554, '5.6.0 Message cannot be parsed')
  })
  return `2.0.0 Ok: queued as ${id}`
}

function refusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}
