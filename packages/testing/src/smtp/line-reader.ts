import type { Duplex } from 'node:stream'

/** Reads a socket by line or up to a delimiter; both give undefined once the peer has gone. */
export type LineReader = {
  line(): Promise<string | undefined>
  /** The bytes before `delimiter`, which is consumed. */
  until(delimiter: string): Promise<Buffer | undefined>
  /** Bytes that came before they were asked for. */
  pending(): number
  /** Stops listening and forgets what is pending. */
  detach(): void
}

/** Starts to collect what `socket` receives. */
export function createLineReader(socket: Duplex): LineReader {
  let buffer: Buffer = Buffer.alloc(0)
  let ended = false
  let wake: (() => void) | undefined
  const onData = (chunk: Buffer): void => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
    wake?.()
  }
  const onEnd = (): void => {
    ended = true
    wake?.()
  }
  socket.on('data', onData).once('end', onEnd).once('close', onEnd)

  async function until(delimiter: string): Promise<Buffer | undefined> {
    for (;;) {
      const at = buffer.indexOf(delimiter)
      if (at >= 0) {
        const found = buffer.subarray(0, at)
        buffer = buffer.subarray(at + delimiter.length)
        return found
      }
      if (ended) return undefined
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }

  return {
    line: async () => (await until('\r\n'))?.toString('utf8'),
    until,
    pending: () => buffer.length,
    detach: () => {
      buffer = Buffer.alloc(0)
      socket.off('data', onData)
    },
  }
}
