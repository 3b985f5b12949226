import type { Secret } from '@herald/config'

import type { TokenGrant } from './access-tokens.ts'

/** The addresses as they go on the wire: parsed, domain already in A-labels, `from` empty for the null sender. */
export type Envelope = { from: string; to: string }

/** A finished message: `raw` has CRLF line ends and no dot-stuffing yet. */
export type OutgoingMessage = { envelope: Envelope; raw: Buffer }

/** How far an attempt had come when it ended; `body` begins once the server has been handed the message. */
export type Phase = 'queue' | 'connect' | 'tls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body'

/** What ended an attempt; `address` is one this server cannot carry, `size` a message above its announced SIZE. */
export type Cause =
  | 'reply'
  | 'timeout'
  | 'connection'
  | 'dns'
  | 'tls'
  | 'auth'
  | 'address'
  | 'size'
  | 'queue_full'
  | 'draining'

/** An attempt without a 250: `not_sent` is safe to repeat, `unknown` may have been delivered and must not be. */
export type FailedAttempt = {
  outcome: 'not_sent' | 'unknown'
  phase: Phase
  cause: Cause
  code?: number
  enhancedCode?: string
  /** The server does not relay for us, which another one may. */
  relayDenied?: true
}

/** How one attempt ended; `upstream` is the configured name, `responseId` the queue id of the 250. */
export type Attempt = { upstream: string } & ({ outcome: 'accepted'; responseId?: string } | FailedAttempt)

/** Whether the upstream takes a connection, TLS and the credentials right now. */
export type ProbeResult = { ok: true } | { ok: false; phase: Phase; cause: Cause; code?: number }

/** Told of what a mailer does, for metrics; milliseconds. */
export type MailerObserver = {
  phase(phase: Phase, milliseconds: number): void
  dialled(): void
  /** A message goes over a connection that carried one before. */
  reused(): void
}

/** The little of a logger that a mailer needs. */
export type MailerLogger = { warn(fields: Record<string, unknown>, message: string): void }

/** Counters since the start, and the connections as they are now. */
export type MailerStats = {
  dials: number
  transactions: number
  resumedSessions: number
  idle: number
  busy: number
  queued: number
}

/** Times are milliseconds since the epoch. */
export type SendOptions = {
  deadline: number
  /** When the server has not been handed the message by then, it is not handed it any more: the attempt is not_sent. */
  handOverBy?: number
  /** Whose turn it is in the queue; the messages of one caller do not keep those of another waiting. */
  caller?: string
}

/** Sends finished messages; `send` never rejects and settles by its deadline. */
export type Mailer = {
  send(message: OutgoingMessage, options: SendOptions): Promise<Attempt>
  probe(): Promise<ProbeResult>
  /** Takes nothing new, waits for what is in flight, then says QUIT on every idle connection. */
  drain(): Promise<void>
  /** Cuts every connection at once; what was in flight ends as not_sent or unknown. */
  close(): Promise<void>
  stats(): MailerStats
}

/**
 * How long one step may take, in milliseconds; on behalf of a send its deadline cuts each short.
 * `greetingMs` is also for the first reply on a kept connection, `partingMs` for RSET and QUIT.
 */
export type UpstreamTimeouts = { connectMs: number; greetingMs: number; probeMs: number; partingMs: number }

/** Secrets are revealed anew at each dial, so that they can be exchanged under a running service; without a method PLAIN is preferred. */
export type UpstreamAuth = { user: string } & (
  | { password: Secret; method?: 'PLAIN' | 'LOGIN' }
  | { grant: TokenGrant }
)

/** One relay and how it may be used. */
export type UpstreamSettings = {
  name: string
  host: string
  port: number
  tls: 'required-starttls' | 'implicit' | 'none'
  /** PEM text of the authorities to trust instead of the system's. */
  ca?: string
  rejectUnauthorized: boolean
  auth?: UpstreamAuth
  /** What EHLO says; the host's own name when absent. */
  clientName?: string
  connectionsMax: number
  queueMax: number
  idleMs: number
  ageMs: number
  messagesPerConnection: number
  timeouts: UpstreamTimeouts
}

/** Limits that fit a relay near by; spread them into the settings and change what the operator names. */
export const upstreamDefaults = {
  connectionsMax: 16,
  queueMax: 256,
  idleMs: 30_000,
  ageMs: 600_000,
  messagesPerConnection: 1_000,
  timeouts: { connectMs: 3_000, greetingMs: 3_000, probeMs: 4_000, partingMs: 1_000 },
} as const
