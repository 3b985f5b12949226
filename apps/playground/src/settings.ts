import { fileURLToPath } from 'node:url'

/** Who listens on the loopback address while the playground runs; the port of each can be moved by its variable. */
export const listeners = [
  { name: 'herald-totp', variable: 'HERALD_TOTP_PORT', port: 8084 },
  { name: 'herald-smtp', variable: 'HERALD_SMTP_PORT', port: 8085 },
  { name: 'inbox page', variable: 'HERALD_INBOX_PORT', port: 8025 },
  { name: 'mail catcher', variable: 'HERALD_MAIL_PORT', port: 1025 },
] as const

export type ListenerName = (typeof listeners)[number]['name']
export type Ports = Record<ListenerName, number>

export type Settings = {
  /** The git-ignored folder that keeps keys, data and what listens where. */
  folder: string
  ports: Ports
}

/** A condition the person at the terminal can put right; its message is the one line they are shown. */
export class PlaygroundError extends Error {}

/** Reads the playground's few variables; throws PlaygroundError on a port that is none. */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const ports = listeners.map(({ name, variable, port }) => [name, readPort(variable, env[variable]) ?? port])
  return {
    folder: env.HERALD_FOLDER || fileURLToPath(new URL('../../../.herald', import.meta.url)),
    ports: Object.fromEntries(ports) as Ports,
  }
}

function readPort(variable: string, text: string | undefined): number | undefined {
  if (!text) return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new PlaygroundError(`${variable} must be a port from 1 to 65535.`)
}
