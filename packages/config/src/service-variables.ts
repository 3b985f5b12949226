import { z } from 'zod'
import { variable } from './variable.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** What the Go services call some of them too. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['warning', 'warn'],
  ['err', 'error'],
  ['panic', 'fatal'],
  ['disabled', 'silent'],
  ['off', 'silent'],
])

const logLevel = () =>
  z
    .string()
    .transform((text) => {
      const name = text.trim().toLowerCase()
      return otherNames.get(name) ?? name
    })
    .pipe(variable.oneOf(logLevels))

/** What every service reads; the defaults that differ are the service's own. */
export function serviceVariables(defaults: { name: string; port: number }) {
  return {
    HOST: variable
      .text({ maxLength: 255 })
      .prefault('127.0.0.1')
      .describe('Address to listen on; the container images set 0.0.0.0'),
    PORT: variable
      .port()
      .prefault(`:${defaults.port}`)
      .describe('Port to listen on, with or without a colon'),
    LOG_LEVEL: logLevel().prefault('info').describe('Lowest level that is logged'),
    SERVICE_NAME: variable
      .text({ maxLength: 64 })
      .prefault(defaults.name)
      .describe('Names this service in health answers and logs'),
    ENVIRONMENT: variable
      .oneOf(['production', 'development', 'test'])
      .prefault('production')
      .describe('Outside production the findings of the gate only warn'),
    SHUTDOWN_GRACE_SECONDS: variable
      .integer({ min: 0, max: 300 })
      .prefault('0')
      .describe('How long a stopping service still takes requests, so that balancers and callers move on'),
    GATE_ACCEPT: variable
      .gateAccept()
      .optional()
      .describe('Codes of the gate, comma-separated, that warn instead of refusing the start'),
  }
}
