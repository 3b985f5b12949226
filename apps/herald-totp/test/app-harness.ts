import { createSigner } from '@herald/auth'
import { createLogger, createMetrics } from '@herald/service'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { start } from '../src/start.ts'
import { codeOf, createClock, wrongCode } from './domain-harness.ts'

export const apiKey = 'api-key-of-the-tests-4f81c0a97d23be65'
export const adminApiKey = 'admin-key-of-the-tests-97d23be654f81c0a'
export const hmacSecret = 'hmac-secret-of-the-tests-b1e09d7c55aa3f'

export type Answer = { status: number; headers: Headers; body: Record<string, unknown>; text: string }
type Call = {
  headers?: Record<string, string>
  body?: string | Uint8Array
  key?: string | null
  peer?: string
}

/** The whole service but its listening socket, on a real SQLite file and a clock that the test moves. */
export async function openApp(env: Record<string, string> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'herald-totp-'))
  const sqlitePath = join(directory, 'totp.sqlite')
  const clock = createClock()
  const lines: string[] = []
  const metrics = createMetrics({ service: 'herald-totp' })
  const started = await start(
    {
      logger: createLogger({
        service: 'herald-totp',
        level: 'info',
        destination: { write: (line) => void lines.push(line) },
      }),
      metrics,
      isDraining: () => false,
      output: { write: (line) => lines.push(line) > 0, flush: (done) => done(), flushNow: () => {} },
      onExit: () => {},
    },
    {
      env: {
        ENVIRONMENT: 'test',
        SQLITE_PATH: sqlitePath,
        HERALD_TOTP_ENCRYPTION_KEY: `hex:${randomBytes(32).toString('hex')}`,
        API_KEY: apiKey,
        ADMIN_API_KEY: adminApiKey,
        HMAC_SECRET: hmacSecret,
        RATE_LIMIT_PER_SUBJECT: '1000',
        ...env,
      },
      now: clock.now,
      randomBytes,
      onHangup: () => {},
    },
  )

  async function call(
    method: string,
    path: string,
    { headers, body, key = apiKey, peer }: Call = {},
  ): Promise<Answer> {
    const request = new Request(`http://herald.test${path}`, {
      method,
      headers: { ...(key !== null && { 'X-API-Key': key }), ...headers },
      ...(body !== undefined && { body }),
    })
    const bindings = peer && { incoming: { url: path, socket: { remoteAddress: peer } } }
    const response = await (started.app.fetch as (request: Request, env: unknown) => Promise<Response>)(
      request,
      bindings,
    )
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
      text,
    }
  }

  const post = (path: string, body: unknown, options: Call = {}) =>
    call('POST', path, {
      ...options,
      headers: { 'Content-Type': 'application/json', ...options.headers },
      body: JSON.stringify(body),
    })
  const sign = createSigner({ secret: hmacSecret, service: 'stargate', now: clock.now })

  return {
    clock,
    sqlitePath,
    log: () => lines.join(''),
    metrics: () => metrics.registry.metrics(),
    call,
    post,
    /** The headers of a v1 signature over a JSON body. */
    sign: (body: unknown) => sign(Buffer.from(JSON.stringify(body))),
    status: (subject: string) => call('GET', `/v1/status?subject=${encodeURIComponent(subject)}`),
    /** Enrols with the code of the previous step, so that those of this step and the next are unused. */
    async enrol(subject: string) {
      const { body: begun } = await post('/v1/enroll/start', { subject })
      const code = (offset: number) => codeOf(String(begun['secret_base32']), clock.now(), offset)
      const { body } = await post('/v1/enroll/confirm', { enroll_id: begun['enroll_id'], code: code(-1) })
      return {
        backupCodes: body['backup_codes'] as string[],
        body,
        code,
        wrong: (n = 0) => wrongCode(code, n),
      }
    },
    async close() {
      await started.close()
      rmSync(directory, { recursive: true })
    },
  }
}

export type App = Awaited<ReturnType<typeof openApp>>

/** The shape every refusal has. */
export const refusal = (reason: string) => ({
  ok: false,
  reason,
  message: expect.any(String) as string,
  request_id: expect.any(String) as string,
})
