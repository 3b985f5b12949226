import { Counter, type Registry } from 'prom-client'

export type VerifyReason = 'totp' | 'backup_code' | 'invalid' | 'replay' | 'rate_limited'
export type Result = 'success' | 'failure'

/** Counters under the names that dashboards of this service already use. */
export type TotpMetrics = {
  started(): void
  confirmed(result: Result): void
  verified(result: Result, reason: VerifyReason): void
}

/** What herald-totp counts beside what every service does. Once a registry, which throws on a name it has. */
export function createTotpMetrics(registry: Registry): TotpMetrics {
  const registers = [registry]
  const starts = new Counter({
    name: 'herald_totp_enroll_start_total',
    help: 'Enrolments started',
    registers,
  })
  const confirms = new Counter({
    name: 'herald_totp_enroll_confirm_total',
    help: 'Enrolments confirmed, or refused for a wrong code or an expired enrolment',
    labelNames: ['result'],
    registers,
  })
  const verifies = new Counter({
    name: 'herald_totp_verify_total',
    help: 'Codes judged, by result and by what decided it',
    labelNames: ['result', 'reason'],
    registers,
  })
  return {
    started: () => starts.inc(),
    confirmed: (result) => confirms.inc({ result }),
    verified: (result, reason) => verifies.inc({ result, reason }),
  }
}
