import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ports } from './settings.ts'
import type { State } from './state.ts'

export type Service = {
  name: 'herald-totp' | 'herald-smtp'
  entry: string
  url: string
  env: Record<string, string>
}

/** Both services on embedded defaults: SQLite, loopback, secrets by file; nothing of the caller's environment reaches them. */
export function describeServices(ports: Ports, state: State): { totp: Service; smtp: Service } {
  const describe = (name: Service['name'], env: Record<string, string>): Service => ({
    name,
    entry: fileURLToPath(new URL(`../../${name}/src/main.ts`, import.meta.url)),
    url: loopbackUrl(ports[name]),
    env: {
      ENVIRONMENT: 'development',
      HOST: '127.0.0.1',
      PORT: String(ports[name]),
      STORE: 'sqlite',
      SQLITE_PATH: join(state.dataFolder, `${name}.sqlite`),
      API_KEY_FILE: state.keyFiles.apiKey,
      HMAC_SECRET_FILE: state.keyFiles.hmacSecret,
      ...env,
    },
  })
  return {
    totp: describe('herald-totp', { HERALD_TOTP_ENCRYPTION_KEY_FILE: state.keyFiles.encryptionKey }),
    smtp: describe('herald-smtp', {
      ADMIN_API_KEY_FILE: state.keyFiles.adminApiKey,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(ports['mail catcher']),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'herald@example.com',
      SMTP_FROM_NAME: 'Herald',
    }),
  }
}

export function loopbackUrl(port: number): string {
  return `http://127.0.0.1:${port}`
}
