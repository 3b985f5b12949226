import type { Phase } from './mailer.ts'

/** Told of a conversation as it goes on, it leaves a server that speaks out of turn. */
export type TurnKeeper = {
  /** We are about to speak: every command so far has its reply. */
  onTurn(): void
  /** A whole reply has come, and nothing was made of it yet. */
  onReply(phase: Phase, line: string): void
}

/** What nodemailer keeps of a session: replies it has not looked at, half a line, and the message while its dot is unwritten. */
type Inside = { _responseQueue: string[]; _remainder: string; _currentDataStream: object | false }

/**
 * A server that speaks before its turn, or answers DATA with 2xx, is out of step: its next reply could be for another
 * command, and some recipient's 250 pass for the message's (RFC 5321 section 4.3.1, RFC 3207 section 6).
 */
export function createTurnKeeper(connection: { close(): void }): TurnKeeper {
  const inside = connection as unknown as Inside
  const close = (): void => connection.close()
  const hasSpoken = (): boolean =>
    [...inside._responseQueue, inside._remainder].some((text) => text.trim() !== '')

  return {
    onTurn() {
      if (hasSpoken()) close()
    },
    onReply(phase, line) {
      const isGood = line.startsWith('2')
      const handsOver = (phase === 'data' && line.startsWith('3')) || (phase === 'tls' && isGood)
      const isEarly = phase === 'body' && inside._currentDataStream !== false
      if (isGood && (phase === 'data' || isEarly)) close()
      else if (handsOver && hasSpoken()) close()
      // An early refusal counts; what is left of the message must not be read as commands.
      else if (isEarly) queueMicrotask(close)
    },
  }
}
