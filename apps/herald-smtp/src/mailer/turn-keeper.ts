import type { Socket } from 'node:net'

import type { Phase } from './mailer.ts'

/** Told of a conversation as it goes on, it leaves a server that speaks out of turn. */
export type TurnKeeper = {
  /** We are about to speak: every command so far has its reply. */
  onTurn(): void
  /** A whole reply has come, and nothing was made of it yet. */
  onReply(phase: Phase, line: string): void
  /** From now on the server is left, too, once it says more between two turns than replies can be long. */
  listenTo(socket: Socket): void
}

/** What nodemailer keeps of a session: replies it has not looked at, half a line, and the message while its dot is unwritten. */
type Inside = { _responseQueue: string[]; _remainder: string; _currentDataStream: object | false }

const wellFormed = /^[2-5]\d\d(?:[ -]|$)/
const goAhead = /^354(?:[ -]|$)/
const bytesMax = 65_536

/**
 * A server that speaks before its turn, in no replies, or answers DATA with 2xx, is out of step: its next reply could be for
 * another command, some recipient's 250 pass for the message's, and the message be read as commands (RFC 5321 section 4.3.1,
 * RFC 3207 section 6).
 */
export function createTurnKeeper(connection: { close(): void }): TurnKeeper {
  const inside = connection as unknown as Inside
  const close = (): void => connection.close()
  const hasSpoken = (): boolean =>
    [...inside._responseQueue, inside._remainder].some((text) => text.trim() !== '')
  let bytes = 0

  return {
    onTurn() {
      bytes = 0
      if (hasSpoken()) close()
    },
    onReply(phase, line) {
      const isGood = /^[23]/.test(line)
      const handsOver = isGood && (phase === 'data' || phase === 'tls')
      const isEarly = phase === 'body' && inside._currentDataStream !== false
      if (!wellFormed.test(line) || (isGood && phase === 'data' && !goAhead.test(line))) close()
      else if ((handsOver && hasSpoken()) || (isGood && isEarly)) close()
      // An early refusal counts; what is left of the message must not be read as commands.
      else if (isEarly) queueMicrotask(close)
    },
    listenTo(socket) {
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > bytesMax) close()
      })
    },
  }
}
