import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createAuthenticator } from '../apps/playground/src/authenticator.ts'
import { startService, startSmtpServer } from '../packages/testing/src/index.ts'

const key = 'a-key-of-the-tests-0123456789abcdef'
const adminKey = 'an-admin-key-of-the-tests-012345678'

/** A shell that knows what the page's first example sets, with the service where it runs now. */
function readExamples(page: string, url: string, env: Record<string, string>) {
  const text = readFileSync(join(import.meta.dirname, '../docs/api', page), 'utf8')
  const [setup = '', ...examples] = [...text.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1] ?? '')
  const here = setup.replace(/^base=.*$/m, `base=${url}`)
  return {
    count: examples.length,
    /** Runs the one example that calls `path`, and answers what it printed. */
    async run(path: string, given: Record<string, string> = {}): Promise<unknown> {
      const example = examples.find((candidate) => candidate.includes(`$base${path}`)) ?? 'exit 1'
      const { stdout } = await promisify(execFile)('sh', ['-euc', here + example], {
        env: { ...process.env, ...env, ...given },
      })
      return JSON.parse(stdout)
    },
  }
}

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'herald-examples-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

describe('the examples of docs/api', () => {
  it('run as they stand against herald-totp', async () => {
    const service = await startService('herald-totp', {
      ENVIRONMENT: 'test',
      SQLITE_PATH: join(emptyFolder(), 'store.sqlite'),
      HERALD_TOTP_ENCRYPTION_KEY: `hex:${'5a'.repeat(32)}`,
      API_KEY: key,
      ADMIN_API_KEY: adminKey,
    })
    onTestFinished(() => service.kill())
    const examples = readExamples('herald-totp.md', service.url, {
      HERALD_TOTP_API_KEY: key,
      HERALD_TOTP_ADMIN_API_KEY: adminKey,
    })
    expect(examples.count).toBe(6)

    const started = (await examples.run('/v1/enroll/start')) as { enroll_id: string; otpauth_uri: string }
    const phone = createAuthenticator({ folder: emptyFolder(), now: Date.now })
    const code = phone.add('alice', started.otpauth_uri)
    const confirmed = await examples.run('/v1/enroll/confirm', { id: started.enroll_id, code })
    expect(confirmed).toMatchObject({ subject: 'alice', totp_enabled: true })
    expect(await examples.run('/v1/verify', { code: phone.nextCode('alice').code })).toMatchObject({
      ok: true,
      amr: ['totp'],
    })
    expect(await examples.run('/v1/status')).toMatchObject({ totp_enabled: true, backup_codes_remaining: 10 })
    expect(await examples.run('/v1/unlock')).toEqual({ ok: true, subject: 'alice' })
    expect(await examples.run('/v1/revoke')).toEqual({ ok: true, subject: 'alice' })
  })

  it('run as they stand against herald-smtp', async () => {
    const server = await startSmtpServer()
    onTestFinished(() => server.stop())
    const service = await startService('herald-smtp', {
      ENVIRONMENT: 'test',
      SQLITE_PATH: join(emptyFolder(), 'store.sqlite'),
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(server.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      API_KEY: key,
      ADMIN_API_KEY: adminKey,
    })
    onTestFinished(() => service.kill())
    const examples = readExamples('herald-smtp.md', service.url, {
      HERALD_SMTP_API_KEY: key,
      HERALD_SMTP_ADMIN_API_KEY: adminKey,
    })
    expect(examples.count).toBe(3)
    expect(await examples.run('/v1/send')).toMatchObject({ ok: true, provider: 'smtp' })
    expect(await examples.run('/v1/preview')).toMatchObject({ ok: true, lang: 'ar', subject: 'رمز التحقق' })
    expect(await examples.run('/v1/messages')).toMatchObject({ ok: true, outcome: 'accepted' })
  })
})
