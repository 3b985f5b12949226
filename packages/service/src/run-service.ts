import { ConfigError } from '@herald/config'
import { restrainHeap } from './restrain-heap.ts'
import { createLogger, type Logger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { serve } from './serve.ts'
import { openStandardOutput, type StandardOutput } from './standard-output.ts'

/** What a service has opened and built once its configuration is read. */
export type StartedService = Omit<Parameters<typeof serve>[0], 'logger' | 'registry'> & {
  /** How long requests are still taken after the signal to stop, while readiness already says no. */
  graceMs: number
  /** How long requests in flight may take after that. */
  drainTimeoutMs: number
  /** Runs after the last answer. */
  close: () => Promise<void>
}

export type StartContext = {
  logger: Logger
  metrics: Metrics
  isDraining: () => boolean
  /** The standard output, which the log shares. */
  output: StandardOutput
  /** Called back when the process ends, also by a crash; what it does has to be done when it returns. */
  onExit: (listener: () => void) => void
}

type ServiceProcess = Pick<NodeJS.Process, 'on' | 'prependListener' | 'off' | 'exit' | 'stdout'>

/** EX_CONFIG of sysexits: starting again without a change will not help. */
const exitConfig = 78

/**
 * Runs a service until SIGTERM or SIGINT, then drains it and exits with 0. A ConfigError while starting exits with 78
 * after one line per problem; any other failure exits with 1. A second signal ends the process at once.
 */
export async function runService(options: {
  service: string
  process: ServiceProcess
  start: (context: StartContext) => Promise<StartedService>
}): Promise<never> {
  const { service } = options
  restrainHeap()
  const output = openStandardOutput(unblocked(options.process))
  options.process.on('exit', output.flushNow)
  const logger = createLogger({ service, level: 'info', destination: output })
  options.process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'crashed')
    options.process.exit(1)
  })
  const signal = stopSignal(options.process)
  try {
    await runUntil(signal, {
      ...options,
      logger,
      output,
      // Before the last flush of the output, since what is wrong then is logged.
      onExit: (listener) => void options.process.prependListener('exit', listener),
    })
  } catch (error) {
    return options.process.exit(reportFailure(logger, error))
  }
  return options.process.exit(0)
}

/** The descriptor of the standard output. Node.js, once asked for its stream, has no write to a full pipe wait, not even at the end. */
function unblocked({ stdout }: Pick<ServiceProcess, 'stdout'>): number {
  return stdout.fd
}

async function runUntil(
  signal: Promise<string>,
  {
    service,
    start,
    ...context
  }: Pick<Parameters<typeof runService>[0], 'service' | 'start'> &
    Pick<StartContext, 'logger' | 'output' | 'onExit'>,
): Promise<void> {
  const { logger } = context
  let draining = false
  const metrics = createMetrics({ service })
  const starting = start({ ...context, metrics, isDraining: () => draining })
  const started = await Promise.race([starting, signal])
  if (typeof started === 'string') return
  const server = await serve({ ...started, logger, registry: metrics.registry })
  logger.info({ ...server.address, tls: started.tls !== undefined }, 'listening')
  logger.flush()

  logger.info({ signal: await signal }, 'draining')
  draining = true
  await server.drain(started.drainTimeoutMs, started.graceMs)
  await started.close()
  logger.info('stopped')
}

/** After the first one signals are the system's again, so that the next one ends the process. */
function stopSignal(process: ServiceProcess): Promise<string> {
  const names = ['SIGTERM', 'SIGINT'] as const
  return new Promise((resolve) => {
    const stop = (name: string) => {
      for (const each of names) process.off(each, stop)
      resolve(name)
    }
    for (const each of names) process.on(each, stop)
  })
}

function reportFailure(logger: Logger, error: unknown): number {
  if (error instanceof ConfigError) {
    for (const { variable, message, code, remedy } of error.problems) {
      logger.fatal({ variable, code, remedy }, `${variable} ${message}`)
    }
    return exitConfig
  }
  const { code, port } = error as { code?: unknown; port?: unknown }
  if (code === 'EADDRINUSE')
    logger.fatal(`port ${String(port)} is taken; stop what listens there or set PORT`)
  else logger.fatal({ err: error }, 'the service could not start')
  return 1
}
