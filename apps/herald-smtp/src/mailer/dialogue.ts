import type { Socket } from 'node:net'

import type { OutgoingMessage, Phase } from './mailer.ts'
import { createReplyReader } from './reply-reader.ts'
import type { Offer } from './reply-text.ts'
import { beginTransaction, type Exchange, type Outcome, type TransactionTime } from './transaction.ts'

/** What is said on an open connection, one exchange at a time. */
export type Dialogue = {
  transact(message: OutgoingMessage, time: TransactionTime, mayHandOver: () => boolean): Promise<Outcome>
  /** The reply to one command; undefined when none came in time, or none will. */
  command(line: string, ms: number): Promise<string | undefined>
}

/** Speaks on a socket that is secured and authenticated. A server that speaks out of turn is left. */
export function createDialogue(
  socket: Socket,
  deps: {
    offer: Offer
    close: () => void
    /** Resolves when the connection has gone. */
    ended: Promise<void>
    observePhase: (phase: Phase, milliseconds: number) => void
  },
): Dialogue {
  const { close, ended } = deps
  let exchange: Exchange | undefined
  socket.on(
    'data',
    createReplyReader({
      onReply: (reply, isLast) => (exchange ? exchange.hear(reply, isLast) : close()),
      onOverflow: close,
    }),
  )
  void ended.then(() => exchange?.fail('connection'))

  function hold<T>(begin: (settle: (value: T) => void) => Exchange): Promise<T> {
    return new Promise((resolve) => {
      exchange = begin((value) => {
        exchange = undefined
        resolve(value)
      })
    })
  }

  return {
    transact: (message, time, mayHandOver) =>
      hold((settle) => beginTransaction(message, time, { ...deps, socket, mayHandOver, settle })),

    command: (line, ms) =>
      hold<string | undefined>((settle) => {
        const timer = setTimeout(settle, ms, undefined)
        const end = (reply?: string): void => {
          clearTimeout(timer)
          settle(reply)
        }
        socket.write(`${line}\r\n`)
        return { hear: end, fail: () => end() }
      }),
  }
}
