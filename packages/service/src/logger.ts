import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger }

/** Top-level fields that no line shows, should one ever be given by mistake. */
const hidden = [
  'authorization',
  'body',
  'headers',
  'html',
  'password',
  'secret',
  'signature',
  'subject',
  'text',
]

/** JSON lines. */
export function createLogger(options: {
  service: string
  level: string
  destination: DestinationStream
}): Logger {
  return pino(
    {
      level: options.level,
      base: { service_name: options.service },
      timestamp: createIsoTime(),
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: hidden, censor: '[secret]' },
      serializers: { err: describeError },
    },
    options.destination,
  )
}

/** pino's isoTime, asked once a millisecond: to write a date out costs a quarter of a line, and lines come in batches. */
function createIsoTime(): () => string {
  const { epochTime, isoTime } = stdTimeFunctions
  let millisecond = ''
  let written = ''
  return () => {
    const now = epochTime()
    if (now !== millisecond) {
      millisecond = now
      written = isoTime()
    }
    return written
  }
}

type ErrorDescription = {
  type: string
  message: string
  code?: unknown
  stack?: string
  cause?: ErrorDescription
}

/** Clients hang commands and their arguments on errors, so only what is named here is logged. */
function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: 'thrown value that is not an Error' }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause !== undefined && depth < 5 && { cause: describeError(error.cause, depth + 1) }),
  }
}
