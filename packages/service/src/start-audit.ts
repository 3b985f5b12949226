import {
  AuditFileRefused,
  checkAuditFile,
  createAuditKey,
  openAudit,
  openAuditFile,
  type Audit,
  type AuditFile,
  type Heads,
} from '@herald/audit'
import { ConfigError } from '@herald/config'
import type { Logger } from './logger.ts'
import type { AuditMetrics, Metrics } from './metrics.ts'
import { asSink, type StandardOutput } from './standard-output.ts'

type Context = {
  logger: Logger
  metrics: Metrics
  output: StandardOutput
  onExit: (listener: () => void) => void
}

/**
 * Begins the audit trail of this process, in the file or else on the standard output. Throws a ConfigError for a file that
 * must not hold it; rejects when the store does not take the chain.
 */
export async function startAudit(
  settings: { service: string; file?: string | undefined; secret: Uint8Array },
  deps: Context & {
    heads: Heads
    now: () => number
    randomBytes: (size: number) => Buffer
    onHangup: (listener: () => void) => void
  },
): Promise<Audit> {
  const { logger, metrics } = deps
  const sink =
    settings.file === undefined
      ? asSink(deps.output, () => metrics.audit.linesLost.inc())
      : openFile(settings.file, deps)
  return openAudit(settings.service, {
    ...deps,
    key: createAuditKey(settings.secret),
    sink,
    onEvent: (event) => metrics.audit.events.inc({ event }),
    onFault(error) {
      metrics.audit.checkpointFailures.inc()
      logger.error({ event: 'audit_checkpoint_failed', err: error }, 'the audit trail has no new checkpoint')
    },
  })
}

/** Throws a ConfigError for a file that a start would refuse. */
export function checkAudit(file: string | undefined): void {
  if (file !== undefined) orRefuse(() => checkAuditFile(file))
}

function openFile(
  path: string,
  { logger, metrics, onExit, onHangup }: Context & { onHangup: (listener: () => void) => void },
): AuditFile {
  const file = orRefuse(() => openAuditFile(path, reportOn(logger, metrics.audit)))
  onExit(file.flushNow)
  onHangup(() => reopen(file, logger))
  return file
}

function orRefuse<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (!(error instanceof AuditFileRefused)) throw error
    throw new ConfigError([{ variable: 'AUDIT_FILE', message: error.message }])
  }
}

function reportOn(logger: Logger, metrics: AuditMetrics): Parameters<typeof openAuditFile>[1] {
  return {
    fault(error) {
      metrics.writeFailing.set(1)
      logger.error({ event: 'audit_write_failed', err: error }, 'the audit trail cannot be written, it waits')
    },
    written: () => metrics.writeFailing.set(0),
    lost: () => metrics.linesLost.inc(),
  }
}

function reopen(file: AuditFile, logger: Logger): void {
  try {
    file.reopen()
  } catch (error) {
    logger.error({ event: 'audit_reopen_failed', err: error }, 'the audit trail goes on where it was')
  }
}
