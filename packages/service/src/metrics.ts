import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { createKeyUse, type KeyUse } from './key-use.ts'

export type AuditMetrics = {
  events: Counter<'event'>
  writeFailing: Gauge
  linesLost: Counter
  checkpointFailures: Counter
}

export type Metrics = {
  /** For what the service itself counts; of this service alone. */
  registry: Registry
  requestDuration: Histogram<'route' | 'method' | 'status'>
  /** `caller` is the service that a request claims, where such a one has proven itself before. */
  authFailures: Counter<'reason' | 'caller'>
  audit: AuditMetrics
  gateAccepted: Gauge<'code'>
  keyUse: KeyUse
}

/** What every service counts, of Node.js too, in a registry of its own under the label `service`. */
export function createMetrics(options: { service: string }): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service: options.service })
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    requestDuration: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time from the head of a request to its answer, by route pattern',
      labelNames: ['route', 'method', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    authFailures: new Counter({
      name: 'auth_failures_total',
      help: 'Requests refused for their credentials, by what was wrong and who they say they are',
      labelNames: ['reason', 'caller'],
      registers,
    }),
    audit: createAuditMetrics(registers),
    gateAccepted: new Gauge({
      name: 'herald_gate_accepted',
      help: '1 for each code of the gate that GATE_ACCEPT lets through',
      labelNames: ['code'],
      registers,
    }),
    keyUse: createKeyUse(registry),
  }
}

function createAuditMetrics(registers: Registry[]): AuditMetrics {
  return {
    events: new Counter({
      name: 'security_events_total',
      help: 'Lines of the audit trail, by what happened',
      labelNames: ['event'],
      registers,
    }),
    writeFailing: new Gauge({
      name: 'audit_write_failing',
      help: '1 while the audit trail cannot be written and waits in memory',
      registers,
    }),
    linesLost: new Counter({
      name: 'audit_lines_lost_total',
      help: 'Lines of the audit trail that no longer fitted into memory',
      registers,
    }),
    checkpointFailures: new Counter({
      name: 'audit_checkpoint_failures_total',
      help: 'Checkpoints of the audit trail that did not succeed',
      registers,
    }),
  }
}
