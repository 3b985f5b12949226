import { createSigner } from '@herald/auth'
import { createLogger, createMetrics } from '@herald/service'
import { startSmtpServer, type SmtpServer } from '@herald/testing'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { start } from './start.ts'

export const apiKey = 'a-key-of-the-tests-0123456789abcdef'
export const hmacSecret = 'a-secret-of-the-tests-0123456789abc'

export type Answered = { status: number; headers: Headers; body: Record<string, unknown> }

export type TestedService = {
  server: SmtpServer
  sqlitePath: string
  /** Moves the service's clock ahead. */
  advance(milliseconds: number): void
  request(path: string, init?: RequestInit): Promise<Answered>
  /** POST /v1/send with the API key, unless the headers say otherwise. */
  send(body: unknown, headers?: Record<string, string>): Promise<Answered>
  /** Everything logged so far. */
  logged(): string
  metrics(): Promise<string>
}

/** The whole service behind its app, without a port: a scriptable mail server, SQLite in a folder of its own. */
export async function startTestedService(env: Record<string, string> = {}): Promise<TestedService> {
  const server = await startSmtpServer()
  onTestFinished(() => server.stop())
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-app-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const sqlitePath = join(folder, 'store.sqlite')
  let ahead = 0
  let log = ''
  const world = {
    env: {
      ENVIRONMENT: 'test',
      API_KEY: apiKey,
      HMAC_SECRET: hmacSecret,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(server.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      SQLITE_PATH: sqlitePath,
      ...env,
    },
    now: () => Date.now() + ahead,
    randomBytes,
    onHangup: () => {},
  }
  const logger = createLogger({
    service: 'herald-smtp',
    level: 'info',
    destination: { write: (line) => void (log += line) },
  })
  const metrics = createMetrics({ service: 'herald-smtp' })
  const service = await start(
    {
      logger,
      metrics,
      isDraining: () => false,
      output: { write: (line) => (log += line) !== '', flush: (done) => done(), flushNow: () => {} },
      onExit: () => {},
    },
    world,
  )
  onTestFinished(() => service.close())

  const request = async (path: string, init?: RequestInit): Promise<Answered> => {
    const noSocket = {} as Parameters<typeof service.app.fetch>[1]
    const answer = service.app.fetch(new Request(`http://herald-smtp${path}`, init), noSocket)
    const response = (await answer) as Response
    const body = (await response.json()) as Record<string, unknown>
    return { status: response.status, headers: response.headers, body }
  }
  return {
    server,
    sqlitePath,
    advance: (milliseconds) => void (ahead += milliseconds),
    request,
    send: (body, headers = { 'X-API-Key': apiKey }) =>
      request('/v1/send', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      }),
    logged: () => log,
    metrics: () => metrics.registry.metrics(),
  }
}

/** Headers of an HMAC v1 signature over the body, made now. */
export function sign(body: unknown, now = Date.now): Record<string, string> {
  const signer = createSigner({ secret: hmacSecret, service: 'herald', now })
  return signer(Buffer.from(JSON.stringify(body)))
}
