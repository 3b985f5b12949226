import { Counter, Gauge, type Registry } from 'prom-client'
import type { Answer } from './domain/answer.ts'

export type SmtpMetrics = {
  /** Counts what became of one mail; a repeated call that gets the first answer again is none. */
  sent(answer: Answer): void
  unknownTemplate(): void
  storeFault(verb: string): void
  noAuthAllowed(allowed: boolean): void
}

export function createSmtpMetrics(registry: Registry): SmtpMetrics {
  const registers = [registry]
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
