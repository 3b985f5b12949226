/**
 * A mail server that takes everything and keeps nothing, as a process of its own so that its CPU is not the service's. The
 * one argument is JSON: {tls, key, cert, delayMs, resumes}. It sends its port to its parent, refuses recipients whose local
 * part begins with `refused`, and answers each message of its parent with what the mails since the last one took by
 * recipient: the milliseconds from the arrival of MAIL to the reply to the final dot.
 */
import { constants } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'

export type Profile = {
  tls: 'none' | 'starttls' | 'implicit'
  key: string
  cert: string
  delayMs: number
  /** Whether a TLS session can be taken up again; senders that dial for each message seldom keep one. */
  resumes: boolean
}

const { tls, key, cert, delayMs, resumes } = JSON.parse(process.argv[2] ?? '{}') as Profile
const secureContext = createSecureContext({
  key,
  cert,
  secureOptions: resumes ? 0 : constants.SSL_OP_NO_TICKET,
})

const dot = Buffer.from('\r\n.\r\n')
let tookMs: [string, number][] = []
process.on('message', () => {
  process.send?.(tookMs)
  tookMs = []
})
process.on('disconnect', () => process.exit())

function talk(socket: Socket, isSecure: boolean): void {
  let pending: Buffer = Buffer.alloc(0)
  let inBody = false
  let mailAt = 0
  let recipient = ''
  /** Replies to what came in one piece go out in one (RFC 2920 section 3.2). */
  let owed = ''

  const replies: Record<string, (line: string) => string | undefined> = {
    EHLO: () =>
      `250-sink\r\n250-8BITMIME\r\n250-PIPELINING\r\n${tls === 'starttls' && !isSecure ? '250-STARTTLS\r\n' : ''}250 SIZE 10485760`,
    MAIL: () => {
      mailAt = performance.now()
      recipient = ''
      return '250 2.1.0 Ok'
    },
    RCPT: (line) => {
      if (line.includes('<refused')) return '550 5.1.1 No such user'
      recipient = line.slice('RCPT TO:<'.length, -1)
      return '250 2.1.5 Ok'
    },
    DATA: () => {
      if (recipient === '') return '503 5.5.1 No recipient'
      inBody = true
      return '354 Go ahead'
    },
    RSET: () => '250 2.0.0 Ok',
    QUIT: () => {
      socket.end('221 2.0.0 Bye\r\n')
      return undefined
    },
    STARTTLS: () => {
      socket.write('220 2.0.0 Ready\r\n')
      socket.removeAllListeners('data')
      talk(secure(socket), true)
      return undefined
    },
  }

  function step(): boolean {
    const end = pending.indexOf(inBody ? dot : '\r\n')
    if (end < 0) return false
    const line = inBody ? '' : pending.subarray(0, end).toString('latin1')
    pending = pending.subarray(end + (inBody ? dot.length : 2))
    if (inBody) {
      inBody = false
      const accept = (): void => {
        socket.write('250 2.0.0 Ok: queued as BENCH\r\n')
        tookMs.push([recipient, performance.now() - mailAt])
      }
      if (delayMs > 0) setTimeout(accept, delayMs)
      else accept()
      return true
    }
    const reply = replies[line.split(' ', 1)[0]?.toUpperCase() ?? '']
    const text = reply ? reply(line) : '500 5.5.2 What'
    if (text !== undefined) owed += `${text}\r\n`
    return true
  }

  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (step());
    if (owed !== '') socket.write(owed)
    owed = ''
  })
}

function secure(socket: Socket): TLSSocket {
  return new TLSSocket(socket, { isServer: true, secureContext })
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  const spoken = tls === 'implicit' ? secure(socket) : socket
  talk(spoken, tls === 'implicit')
  spoken.write('220 sink ESMTP\r\n')
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined)
})
