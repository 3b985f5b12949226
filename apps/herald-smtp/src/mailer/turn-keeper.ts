import type { Phase } from './mailer.ts'

/** Told of a connection while it is being opened, it leaves a server that speaks out of turn. */
export type TurnKeeper = {
  /** We are about to speak: every command so far has its reply. */
  onTurn(): void
  /** A whole reply has come, and nothing was made of it yet. */
  onReply(phase: Phase, line: string): void
}

/** What nodemailer keeps of a session: replies it has not looked at, and half a line. */
type Inside = { _responseQueue: string[]; _remainder: string }

const wellFormed = /^[2-5]\d\d(?:[ -]|$)/

/**
 * A server that speaks before its turn, or in no replies, is out of step: its next reply could be for another command, and
 * what it says before the handshake need not come from it (RFC 3207 section 6).
 */
export function createTurnKeeper(connection: { close(): void }): TurnKeeper {
  const inside = connection as unknown as Inside
  const hasSpoken = (): boolean =>
    [...inside._responseQueue, inside._remainder].some((text) => text.trim() !== '')

  return {
    onTurn() {
      if (hasSpoken()) connection.close()
    },
    onReply(phase, line) {
      const startsTls = phase === 'tls' && line.startsWith('2')
      if (!wellFormed.test(line) || (startsTls && hasSpoken())) connection.close()
    },
  }
}
