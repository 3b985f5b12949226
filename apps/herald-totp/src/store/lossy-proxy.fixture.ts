import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export type LossyProxy = {
  port: number
  /** Passes on `pass` more replies, loses the `lost` after them, and goes on as if nothing had happened. */
  loseReplies: (pass: number, lost: number) => void
}

/** A proxy before a Redis server that knows where a reply ends, as one does that shares connections; ends with the test. */
export async function createLossyProxy(target: { host: string; port: number }): Promise<LossyProxy> {
  let toPass = 0
  let toLose = 0

  function isLost(): boolean {
    if (toLose === 0) return false
    if (toPass === 0) return toLose-- > 0
    toPass--
    return false
  }

  const listener = createServer((caller) => {
    const server = connect(target)
    let pending = Buffer.alloc(0)
    for (const socket of [caller, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => [caller, server].forEach((end) => end.destroy()))
    }
    caller.on('data', (chunk) => server.write(chunk))
    server.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      for (let end = replyEnd(pending, 0); end !== undefined; end = replyEnd(pending, 0)) {
        if (!isLost()) caller.write(pending.subarray(0, end))
        pending = pending.subarray(end)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  return {
    port: (listener.address() as AddressInfo).port,
    loseReplies: (pass, lost) => ([toPass, toLose] = [pass, lost]),
  }
}

/** Where the reply that begins at `at` ends (RESP2); undefined while a part of it is missing. */
function replyEnd(bytes: Buffer, at: number): number | undefined {
  const line = bytes.indexOf('\r\n', at)
  if (line < 0) return undefined
  const size = Number(bytes.toString('latin1', at + 1, line))
  let end: number | undefined = line + 2
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '$':
      end += size < 0 ? 0 : size + 2
      return end <= bytes.length ? end : undefined
    case '*':
      for (let item = 0; item < size && end !== undefined; item++) end = replyEnd(bytes, end)
  }
  return end
}
