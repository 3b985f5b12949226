import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export type FaultProxy = {
  port: number
  /** Loses the next `count` replies. A connection that lost one stays silent from then on, since TCP loses nothing from the middle. */
  swallowReplies: (count: number) => void
  /** Passes nothing on in either direction until `resume`. */
  pause: () => void
  resume: () => void
  /** Ends every connection; new ones are accepted. */
  cut: () => void
  /** Sends new connections, and after `cut` all, to another server. */
  redirect: (target: { host: string; port: number }) => void
  close: () => Promise<void>
}

type Link = { caller: Socket; server: Socket; silent: boolean }

/** A TCP proxy in front of one server that breaks connections on demand. */
export async function createFaultProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const links = new Set<Link>()
  let destination = target
  let toSwallow = 0
  let paused = false

  function passReply(link: Link, chunk: Buffer): void {
    if (!link.silent && toSwallow > 0) {
      toSwallow--
      link.silent = true
    }
    if (!link.silent) link.caller.write(chunk)
  }

  const listener = createServer((caller) => {
    const server = connect(destination)
    const link: Link = { caller, server, silent: false }
    links.add(link)
    for (const socket of [caller, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => end(link))
    }
    caller.on('data', (chunk) => server.write(chunk))
    server.on('data', (chunk: Buffer) => passReply(link, chunk))
    if (paused) hold(link)
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')

  function end(link: Link): void {
    links.delete(link)
    link.caller.destroy()
    link.server.destroy()
  }

  return {
    port: (listener.address() as AddressInfo).port,
    swallowReplies: (count) => (toSwallow = count),
    pause() {
      paused = true
      links.forEach(hold)
    },
    resume() {
      paused = false
      links.forEach(letGo)
    },
    cut: () => links.forEach(end),
    redirect: (next) => (destination = next),
    async close() {
      listener.close()
      links.forEach(end)
      await once(listener, 'close')
    },
  }
}

function hold(link: Link): void {
  link.caller.pause()
  link.server.pause()
}

function letGo(link: Link): void {
  link.caller.resume()
  link.server.resume()
}
