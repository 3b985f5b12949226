import { startRedis, startRedisCluster, startService, type ServiceLimits } from '@herald/testing'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, wrongCode } from './domain-harness.ts'

export const baseEnv = {
  ENVIRONMENT: 'test',
  API_KEY: 'api-key-of-the-tests-4f81c0a97d23be65',
  HERALD_TOTP_ENCRYPTION_KEY: 'base64:QVl2tq1F4rkZ0n7mJc3yXo9sU8wKdE5hTiBgRzMxNWE=',
  RATE_LIMIT_PER_SUBJECT: '1000',
}

export type Engine = 'sqlite' | 'redis' | 'cluster'

/** A new folder for the files of one test. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'herald-totp-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A durable store of its own for one test file. */
export async function openEngine(
  engine: Engine,
): Promise<{ env: Record<string, string>; close: () => Promise<void> }> {
  if (engine === 'redis') {
    const redis = await startRedis({ appendOnly: true })
    return { env: { REDIS_ADDR: `127.0.0.1:${redis.port}` }, close: redis.stop }
  }
  if (engine === 'cluster') {
    const cluster = await startRedisCluster()
    return { env: cluster.env, close: cluster.stop }
  }
  const folder = temporaryFolder()
  return { env: { SQLITE_PATH: join(folder.path, 'totp.sqlite') }, close: async () => folder.remove() }
}

export type Answer = { status: number; body: Record<string, unknown>; text: string }

/** Calls a running service as a caller with the API key does. */
function createCaller(url: string) {
  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: { 'X-API-Key': baseEnv.API_KEY, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: JSON.parse(text) as Record<string, unknown>, text }
  }
  const post = (path: string, body: unknown) => call('POST', path, body)
  return {
    post,
    get: (path: string) => call('GET', path),
    verify: (subject: string, code: string) => post('/v1/verify', { subject, code }),
    status: (subject: string) => call('GET', `/v1/status?subject=${encodeURIComponent(subject)}`),
    start: async (subject: string) => {
      const { body } = await post('/v1/enroll/start', { subject })
      const code = (offset: number) => codeOf(String(body['secret_base32']), Date.now(), offset)
      return { enroll_id: body['enroll_id'], code, wrong: (n = 0) => wrongCode(code, n) }
    },
    /** Confirms with the code of this step, so that the code of the next one is unused and stays valid for 30 s. */
    async enrol(subject: string) {
      const { enroll_id, ...codes } = await this.start(subject)
      const { body } = await post('/v1/enroll/confirm', { enroll_id, code: codes.code(0) })
      return { ...codes, backupCodes: body['backup_codes'] as string[] }
    },
  }
}

export type Caller = ReturnType<typeof createCaller>

export async function startTotp(env: Record<string, string>, limits?: ServiceLimits) {
  const service = await startService('herald-totp', { ...baseEnv, ...env }, limits)
  return { ...service, caller: createCaller(service.url) }
}

/** How many answers had which status and reason. */
export function tally(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, body } of answers) {
    const name = [status, body['reason']].filter(Boolean).join(' ')
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
