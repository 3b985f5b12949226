import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Answer } from './domain/answer.ts'
import type { BreakerState } from './domain/breaker.ts'
import type { Attempt, MailerObserver } from './mailer/mailer.ts'

export type SmtpMetrics = {
  /** Counts what became of one mail; a repeated call that gets the first answer again is none. */
  sent(answer: Answer): void
  /** What the mailer of one upstream tells of itself. */
  observer(upstream: string): MailerObserver
  /** Counts what one upstream made of one mail; a mail that two of them were asked to take counts twice. */
  attempted(attempt: Attempt): void
  breaker(upstream: string, state: BreakerState): void
  unknownTemplate(): void
  storeFault(verb: string): void
  noAuthAllowed(allowed: boolean): void
}

/** From a command on a connection near by to the longest deadline. */
const phaseBucketsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const breakerValues: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

/** What herald-smtp counts beside what every service does. Once a registry, which throws on a name it has. */
export function createSmtpMetrics(registry: Registry): SmtpMetrics {
  return { ...createSendMetrics([registry]), ...createUpstreamMetrics([registry]) }
}

type UpstreamMetrics = Pick<SmtpMetrics, 'observer' | 'attempted' | 'breaker'>

function createUpstreamMetrics(registers: Registry[]): UpstreamMetrics {
  const phases = new Histogram({
    name: 'herald_smtp_phase_seconds',
    help: 'How long mails spend in each phase: queue, connect, tls, auth, mail, rcpt, data',
    labelNames: ['upstream', 'phase'],
    buckets: phaseBucketsSeconds,
    registers,
  })
  const dials = new Counter({
    name: 'herald_smtp_dials_total',
    help: 'Connections begun on behalf of a mail',
    labelNames: ['upstream'],
    registers,
  })
  const reuses = new Counter({
    name: 'herald_smtp_reuses_total',
    help: 'Mails sent over a connection that was kept',
    labelNames: ['upstream'],
    registers,
  })
  const attempts = new Counter({
    name: 'herald_smtp_attempts_total',
    help: 'Attempts to hand a mail over by upstream and outcome (accepted, not_sent, unknown)',
    labelNames: ['upstream', 'outcome'],
    registers,
  })
  const breakers = new Gauge({
    name: 'herald_smtp_breaker_state',
    help: 'Breaker of an upstream: 0 closed, 1 half open, 2 open',
    labelNames: ['upstream'],
    registers,
  })
  return {
    observer: (upstream) => ({
      phase: (phase, milliseconds) => phases.observe({ upstream, phase }, milliseconds / 1000),
      dialled: () => dials.inc({ upstream }),
      reused: () => reuses.inc({ upstream }),
    }),
    attempted: ({ upstream, outcome }) => attempts.inc({ upstream, outcome }),
    breaker: (upstream, state) => breakers.set({ upstream }, breakerValues[state]),
  }
}

function createSendMetrics(registers: Registry[]): Omit<SmtpMetrics, keyof UpstreamMetrics> {
  const sends = new Counter({
    name: 'herald_smtp_sends_total',
    help: 'Mails by outcome (accepted, not_sent, unknown) and reason',
    labelNames: ['outcome', 'reason'],
    registers,
  })
  const unknownTemplates = new Counter({
    name: 'herald_smtp_unknown_templates_total',
    help: 'Requests that relied on a template that does not exist',
    registers,
  })
  const storeFaults = new Counter({
    name: 'herald_smtp_store_faults_total',
    help: 'Faults of the store by what was asked of it',
    labelNames: ['verb'],
    registers,
  })
  const noAuth = new Gauge({
    name: 'herald_smtp_no_auth_allowed',
    help: '1 while ALLOW_NO_AUTH_FROM lets requests without credentials send',
    registers,
  })
  return {
    sent: (answer) =>
      sends.inc(
        answer.ok ? { outcome: 'accepted', reason: '' } : { outcome: answer.outcome, reason: answer.reason },
      ),
    unknownTemplate: () => unknownTemplates.inc(),
    storeFault: (verb) => storeFaults.inc({ verb }),
    noAuthAllowed: (allowed) => noAuth.set(allowed ? 1 : 0),
  }
}
