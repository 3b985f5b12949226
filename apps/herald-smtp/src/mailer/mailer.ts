import type { Secret } from '@herald/config'

import type { MailerLogger } from './session.ts'
import { createSmtpConnections } from './smtp-connections.ts'

/** The addresses as they go on the wire: parsed, domain already in A-labels, `from` empty for the null sender. */
export type Envelope = { from: string; to: string; smtpUtf8: boolean }

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
}

/** How one attempt ended; `upstream` is the configured name, `responseId` the queue id of the 250. */
export type Attempt = { upstream: string } & ({ outcome: 'accepted'; responseId?: string } | FailedAttempt)

/** Whether the upstream takes a connection, TLS and the credentials right now. */
export type ProbeResult = { ok: true } | { ok: false; phase: Phase; cause: Cause; code?: number }

/** Counters since the start, and the connections as they are now. */
export type MailerStats = {
  dials: number
  transactions: number
  resumedSessions: number
  idle: number
  busy: number
  queued: number
}

/** Sends finished messages; `send` never rejects and settles by its deadline (milliseconds since the epoch). */
export type Mailer = {
  send(message: OutgoingMessage, options: { deadline: number }): Promise<Attempt>
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

/** One relay and how it may be used. */
export type UpstreamSettings = {
  name: string
  host: string
  port: number
  tls: 'required-starttls' | 'implicit' | 'none'
  /** PEM text of the authorities to trust instead of the system's. */
  ca?: string
  rejectUnauthorized: boolean
  auth?: { user: string; password: Secret }
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

/** Makes a mailer for one upstream; nothing is opened before the first message. */
export function createMailer(
  settings: UpstreamSettings,
  deps: { now: () => number; logger: MailerLogger },
): Mailer {
  return createSmtpConnections(settings, deps)
}
