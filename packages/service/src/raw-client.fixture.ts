import { connect, type Socket } from 'node:net'

/** A bare socket, for requests that no HTTP client would send. */
export type RawClient = {
  socket: Socket
  send(text: string): void
  /** Resolves with everything received once it matches; rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with everything received when the connection has ended. */
  end(): Promise<string>
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  let ended = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of waiting) check()
  }
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk
    wake()
  })
  socket.on('close', () => {
    ended = true
    wake()
  })
  const connected = Promise.withResolvers<void>()
  socket.on('error', connected.reject)
  socket.once('connect', connected.resolve)
  await connected.promise

  const wait = (isDone: () => boolean) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        if (!isDone() && !ended) return
        waiting.delete(check)
        if (isDone()) resolve(received)
        else reject(new Error(`the connection ended after: ${received}`))
      }
      waiting.add(check)
      check()
    })
  return {
    socket,
    send: (text) => void socket.write(text),
    until: (pattern) => wait(() => pattern.test(received)),
    end: () => wait(() => ended),
  }
}
