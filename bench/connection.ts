import { connect } from 'node:net'
import { once } from 'node:events'

/** Status 0: no answer came, and the body says why. */
export type Answer = { status: number; body: string }

export type Connection = {
  /** Sends one whole request; the next may follow once this one is answered. */
  send: (request: Buffer, answered: (answer: Answer) => void) => void
  close: () => void
}

const endOfHead = Buffer.from('\r\n\r\n')

/** One kept-alive HTTP/1.1 connection on loopback, written by hand: what the load costs is taken from the server on the same machine. */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let received: Buffer | undefined
  let waiting: ((answer: Answer) => void) | undefined

  function settle(answer: Answer): void {
    const answered = waiting
    waiting = undefined
    received = undefined
    answered?.(answer)
  }

  socket.on('data', (chunk: Buffer) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const headEnd = received.indexOf(endOfHead)
    if (headEnd < 0) return
    const head = received.toString('latin1', 0, headEnd)
    const bodyStart = headEnd + endOfHead.byteLength
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
    if (Number.isNaN(length)) return settle({ status: 0, body: `an answer without a length: ${head}` })
    if (received.byteLength < bodyStart + length) return
    settle({ status: Number(head.slice(9, 12)), body: received.toString('utf8', bodyStart) })
  })
  socket.on('error', () => {})
  socket.on('close', () => settle({ status: 0, body: 'the connection was closed' }))
  return {
    send(request, answered) {
      waiting = answered
      if (socket.destroyed) settle({ status: 0, body: 'the connection is closed' })
      else socket.write(request)
    },
    close: () => void socket.destroy(),
  }
}

/** The same for who can wait. */
export function ask(connection: Connection, request: Buffer): Promise<Answer> {
  return new Promise((resolve) => {
    connection.send(request, resolve)
  })
}
