import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What is open on a server, and which answers each connection is owed. */
export type Connections = {
  /** Of every connection, below TLS. */
  accepted: (socket: Socket) => void
  /**
   * Has the request of this answer carried out once the answers before it on its connection are handed over. Too many
   * that wait for that end the connection.
   */
  queue: (outgoing: ServerResponse) => void
  /**
   * The answer that a connection may still give once nothing further on it can be read: to its newest whole request, or
   * to the one that is being carried out.
   */
  lastOwed: (socket: Socket) => ServerResponse | undefined
  /** Cuts the connections whose answer was written before the previous call and is not taken yet. */
  cutStalled: () => void
  /** From now on each connection ends with the last answer that it is owed, and the others at once. */
  drain: () => void
  destroyAll: () => void
}

/** Few, since each holds what came of its body; clients that pipeline at all are content with less. */
const waitingMax = 16

/** `carryOut` gets one request of a connection at a time, in the order in which they came. */
export function createConnections(carryOut: (outgoing: ServerResponse) => void): Connections {
  const open = new Map<string, Socket>()
  const owed = new Map<Socket, ServerResponse[]>()
  let written = new Set<ServerResponse>()
  let draining = false

  const owedOn = (socket: Socket) => {
    let answers = owed.get(socket)
    if (!answers) {
      owed.set(socket, (answers = []))
      socket.once('close', () => owed.delete(socket))
    }
    return answers
  }
  const carryOutFirst = (socket: Socket, answers: ServerResponse[]) => {
    const [first] = answers
    if (!first || !socket.writable) return
    first.once('finish', () => {
      answers.shift()
      carryOutFirst(socket, answers)
    })
    carryOut(first)
  }

  return {
    accepted: (socket) => {
      const peer = peerOf(socket)
      open.set(peer, socket)
      socket.once('close', () => open.delete(peer))
    },
    queue: (outgoing) => {
      const { socket } = outgoing.req
      if (socket.destroyed) return
      const answers = owedOn(socket)
      if (answers.length > waitingMax) return void socket.destroy()
      if (draining && !passOnTheEnd(answers.at(-1), outgoing)) return
      answers.push(outgoing)
      if (answers.length === 1) carryOutFirst(socket, answers)
    },
    lastOwed: (socket) => {
      const answers = owed.get(socket) ?? []
      if (answers.length > 1 && !answers.at(-1)?.req.complete) answers.pop()
      return answers.at(-1)
    },
    cutStalled: () => {
      const before = written
      written = new Set([...owed.values()].flatMap(([first]) => (first?.writableEnded ? [first] : [])))
      for (const outgoing of written) if (before.has(outgoing)) outgoing.req.socket.destroy()
    },
    drain: () => {
      draining = true
      const busy = new Set<string>()
      for (const [socket, answers] of owed) {
        const last = answers.at(-1)
        if (!last) continue
        busy.add(peerOf(socket))
        endWith(socket, last)
      }
      for (const [peer, socket] of open) if (!busy.has(peer)) socket.destroy()
    },
    destroyAll: () => {
      for (const socket of open.values()) socket.destroy()
    },
  }
}

/** The same for a TLS connection and the one below it, which know nothing of each other. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** Pipelined: the connection has to outlive the answer before, or this one would have nowhere to go; false if it cannot. */
function passOnTheEnd(before: ServerResponse | undefined, outgoing: ServerResponse): boolean {
  if (before?.headersSent) return false
  if (before) before.shouldKeepAlive = true
  outgoing.shouldKeepAlive = false
  return true
}

function endWith(socket: Socket, outgoing: ServerResponse): void {
  if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
  else outgoing.once('finish', () => socket.destroySoon())
}
