import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What is open on a server, and which answer each connection is at. */
export type Connections = {
  /** Of every connection, below TLS. */
  accepted: (socket: Socket) => void
  /** A TLS handshake that ends while draining came too late, as a connection in the backlog does. */
  secured: (socket: Socket) => void
  answering: (outgoing: ServerResponse) => void
  /** The newest answer of a connection, finished or not; undefined before its first request. */
  latest: (socket: Socket) => ServerResponse | undefined
  /** From now on each connection ends with its answer; idle ones are the server's to close. */
  drain: () => void
  destroyAll: () => void
}

export function createConnections(): Connections {
  const accepted = new Set<Socket>()
  const answers = new Map<Socket, ServerResponse>()
  let draining = false
  return {
    accepted: (socket) => {
      accepted.add(socket)
      socket.once('close', () => accepted.delete(socket))
    },
    secured: (socket) => {
      if (draining) socket.destroy()
    },
    answering: (outgoing) => {
      const { socket } = outgoing.req
      const before = answers.get(socket)
      if (!before) socket.once('close', () => answers.delete(socket))
      answers.set(socket, outgoing)
      if (!draining) return
      // Pipelined: the connection has to outlive the answer before, or this one would have nowhere to go.
      if (before && !before.headersSent) before.shouldKeepAlive = true
      outgoing.shouldKeepAlive = false
    },
    latest: (socket) => answers.get(socket),
    drain: () => {
      draining = true
      for (const [socket, outgoing] of answers) endWith(socket, outgoing)
    },
    destroyAll: () => {
      for (const socket of accepted) socket.destroy()
    },
  }
}

function endWith(socket: Socket, outgoing: ServerResponse): void {
  if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
  else if (!outgoing.writableFinished) outgoing.once('finish', () => socket.destroySoon())
}
