import { ConfigError, type GateFinding, type GatePolicy, judge } from '@herald/config'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Logs what the gate warns about and throws a ConfigError with everything that it refuses. */
export function enforceGate(
  findings: readonly GateFinding[],
  policy: GatePolicy,
  deps: { logger: Logger; metrics: Metrics },
): void {
  for (const code of policy.accepted) deps.metrics.gateAccepted.set({ code }, 1)
  const { refused, warned } = judge(findings, policy)
  for (const { code, variable, message, remedy } of warned) {
    deps.logger.warn({ code, variable, remedy }, `${variable} ${message}`)
  }
  if (refused.length > 0) throw new ConfigError(refused)
}
