import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Admission } from './admission.ts'

/** What is open on a server, and which answers each connection is owed. */
export type Connections = {
  /** Of every connection, below TLS. */
  accepted: (socket: Socket) => void
  /**
   * Has the request of this answer carried out once the answers before it on its connection are handed over. Too many
   * that wait for that end the connection, and so does, after the answer before it, one for which there is no room.
   */
  queue: (outgoing: ServerResponse) => void
  /**
   * Nothing further can be read on a connection: a request on it that waits and has not come whole is given up. Returns
   * the newest answer that is owed still.
   */
  giveUpUnfinished: (socket: Socket) => ServerResponse | undefined
  /** Cuts the connections whose answer was written before the previous call and is not taken yet. */
  cutStalled: () => void
  /** From now on each connection ends with the next answer on it. */
  retire: () => void
  /** Ends the connections that are owed nothing. */
  endIdle: () => void
  destroyAll: () => void
}

/** What one connection is owed, in order; the first is under way. */
type Owed = {
  answers: ServerResponse[]
  /** Nothing that comes from now on is carried out. */
  ends: boolean
}

/** Few, since each holds what came of its body; clients that pipeline at all are content with less. */
const waitingMax = 16

/** `carryOut` and `refuse` get one request of a connection at a time, in the order in which they came. */
export function createConnections(deps: {
  admission: Admission
  /** Settles once the work is over, whether or not anybody is left to take the answer. */
  carryOut: (outgoing: ServerResponse) => Promise<void>
  /** Answers one for which there is no room. */
  refuse: (outgoing: ServerResponse) => void
}): Connections {
  const { admission, carryOut, refuse } = deps
  const open = new Map<string, Socket>()
  const owed = new Map<Socket, Owed>()
  let written = new Set<ServerResponse>()
  let retiring = false

  const owedOn = (socket: Socket): Owed => {
    const known = owed.get(socket)
    if (known) return known
    const line: Owed = { answers: [], ends: false }
    owed.set(socket, line)
    socket.once('close', () => {
      owed.delete(socket)
      // The first leaves by itself, once its work is over.
      for (const { req } of line.answers.splice(0).slice(1)) admission.leave(req)
    })
    return line
  }
  const carryOutFirst = (socket: Socket, answers: ServerResponse[]) => {
    const [first] = answers
    if (!first) return
    if (!socket.writable) return admission.leave(first.req)
    goOnAfter(first, socket, answers)
    void carryOut(first).then(() => admission.leave(first.req))
  }
  const goOnAfter = (first: ServerResponse, socket: Socket, answers: ServerResponse[]) => {
    first.once('finish', () => {
      answers.shift()
      carryOutFirst(socket, answers)
    })
  }

  return {
    accepted: (socket) => {
      const peer = peerOf(socket)
      open.set(peer, socket)
      // The client may take its port again before the end of the earlier connection is heard of here.
      socket.once('close', () => open.get(peer) === socket && open.delete(peer))
    },
    queue: (outgoing) => {
      const { req } = outgoing
      const { socket } = req
      if (socket.destroyed) return
      const line = owedOn(socket)
      const { answers } = line
      const last = answers.at(-1)
      if (answers.length > waitingMax) return void socket.destroy()
      if (line.ends || (retiring && !passOnTheEnd(last, outgoing))) return
      if (admission.enter(req)) {
        answers.push(outgoing)
        if (!last) carryOutFirst(socket, answers)
      } else if (last) {
        line.ends = true
        endWith(socket, last)
      } else {
        answers.push(outgoing)
        goOnAfter(outgoing, socket, answers)
        refuse(outgoing)
      }
    },
    giveUpUnfinished: (socket) => {
      const answers = owed.get(socket)?.answers ?? []
      const last = answers.at(-1)
      if (!last || answers.length === 1 || last.req.complete) return last
      answers.pop()
      admission.leave(last.req)
      return answers.at(-1)
    },
    cutStalled: () => {
      const before = written
      const first = [...owed.values()].flatMap(({ answers }) => answers.slice(0, 1))
      written = new Set(first.filter((outgoing) => outgoing.writableEnded))
      for (const outgoing of written) if (before.has(outgoing)) outgoing.req.socket.destroy()
    },
    retire: () => {
      retiring = true
      for (const [socket, { answers }] of owed) {
        const last = answers.at(-1)
        if (last) endWith(socket, last)
      }
    },
    endIdle: () => {
      const busy = new Set<string>()
      for (const [socket, { answers }] of owed) if (answers.length > 0) busy.add(peerOf(socket))
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
