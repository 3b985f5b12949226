import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigError } from '@herald/config'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readSettings } from './config.ts'

const needed = { SMTP_HOST: '127.0.0.1', SMTP_FROM: 'noreply@herald.example' }
const key = { API_KEY: 'kTq3Zs8Wm1Vx5Rb7Yc9Nd2Lf4Hg6Jp0Q' }
const read = (env: Record<string, string>) => readSettings({ ...needed, ...env })

async function problemsOf(env: Record<string, string>): Promise<string[]> {
  try {
    await readSettings(env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ variable }) => variable)
  }
}

async function codesOf(env: Record<string, string>): Promise<string[]> {
  return (await read(env)).findings.map(({ code }) => code)
}

describe('the environment of herald-smtp', () => {
  it('is good with what the original needs, and then requires STARTTLS and keeps state in memory', async () => {
    const { settings } = await read({ ...key, PORT: ':8085', SMTP_USER: '', SMTP_PASSWORD: '' })
    expect(settings).toMatchObject({
      port: 8085,
      store: { engine: 'sqlite', path: ':memory:' },
      upstreams: [{ host: '127.0.0.1', port: 587, tls: 'required-starttls', rejectUnauthorized: true }],
      envelopeFrom: 'noreply@herald.example',
      sendDeadlineMs: 4_500,
      idempotencyTtlMs: 300_000,
      limits: { perRecipient: 10, perCaller: undefined, perDomain: undefined },
    })
    expect(settings.upstreams[0]).not.toHaveProperty('auth')
  })

  it('names every problem at once, those of the gate included', async () => {
    expect(
      await problemsOf({ SMTP_PORT: '0', SMTP_PASSWORD: 'x', REDIS_ADDR: '192.0.2.1', SQLITE_PATH: '/x' }),
    ).toEqual(['SMTP_PORT', 'SMTP_FROM', 'SQLITE_PATH', 'SMTP_USER', 'SMTP_HOST', 'API_KEY', 'REDIS_ADDR'])
  })

  it.each([
    'noreply',
    'Herald <noreply@herald.example>',
    'a@herald.example,b@herald.example',
    'n@herald.example\r\nBcc: v@x.example',
    'é@herald.example',
  ])('takes %j for no sender', async (address) => {
    for (const name of ['SMTP_FROM', 'SMTP_ENVELOPE_FROM', 'SMTP_REPLY_TO']) {
      expect(await problemsOf({ ...needed, ...key, [name]: address })).toEqual([name])
    }
  })

  it('sends from the A-label form of a sender', async () => {
    const { settings } = await read({ SMTP_FROM: 'noreply@BÜCHER.example' })
    expect(settings.sender).toMatchObject({ domain: 'xn--bcher-kva.example' })
  })

  it.each([
    [{}, 'required-starttls'],
    [{ SMTP_USE_STARTTLS: 'false' }, 'none'],
    [{ SMTP_USE_TLS: 'true' }, 'implicit'],
    [{ SMTP_PORT: '465' }, 'implicit'],
    [{ SMTP_USE_STARTTLS: 'false', SMTP_USE_TLS: 'true' }, 'implicit'],
  ])('reads %j as TLS mode %s', async (env, tls) => {
    expect((await read(env)).settings.upstreams[0]?.tls).toBe(tls)
  })

  it.each([
    ['SMTP_HOST', 'mail.example.com'],
    ['SMTP_PORT', '587'],
    ['SMTP_USE_STARTTLS', 'true'],
    ['SMTP_USE_TLS', 'true'],
    ['SMTP_SKIP_TLS_VERIFY', 'false'],
  ])('disregards no %s beside SMTP_UPSTREAMS, but refuses it', async (name, text) => {
    const list = { ...key, SMTP_UPSTREAMS: '[{"host":"127.0.0.1"}]', SMTP_FROM: needed.SMTP_FROM }
    expect(await problemsOf(list)).toEqual([])
    expect(await problemsOf({ ...list, [name]: '' })).toEqual([])
    expect(await problemsOf({ ...list, [name]: text })).toEqual([name])
  })

  it('judges mail without TLS by how far the server is away', async () => {
    const plain = { ...key, SMTP_USE_STARTTLS: 'false' }
    const plaintext = async (host: string) =>
      (await read({ ...plain, SMTP_HOST: host })).findings.find(({ code }) => code === 'SMTP_PLAINTEXT')
        ?.reach
    expect(await plaintext('127.0.0.1')).toBeUndefined()
    expect(await plaintext('10.0.0.1')).toBe('private')
    expect(await plaintext('192.0.2.1')).toBe('public')
  })

  it('has a finding for an unverified certificate where there is one', async () => {
    expect(await codesOf({ ...key, SMTP_SKIP_TLS_VERIFY: 'true' })).toContain('TLS_VERIFY_OFF')
    expect(await codesOf({ ...key, SMTP_SKIP_TLS_VERIFY: 'true', SMTP_USE_STARTTLS: 'false' })).not.toContain(
      'TLS_VERIFY_OFF',
    )
  })

  it('has one for a password that somebody forgot to fill in, and none for a short one', async () => {
    const codes = (password: string) => codesOf({ ...key, SMTP_USER: 'u', SMTP_PASSWORD: password })
    expect(await codes('changeme')).toContain('EXAMPLE_VALUE')
    expect(await codes('abcd')).toEqual(['ENV_BACKEND', 'ENV_BACKEND'])
  })

  it.each([
    ['password_file', { user: 'u' }],
    [
      'client_secret_file',
      { user: 'u', method: 'xoauth2', client_id: 'c', token_url: 'https://login.example/token' },
    ],
  ])(
    'has one for an example in the %s of a listed mail server, and repeats nothing of it',
    async (field, auth) => {
      const path = join(mkdtempSync(join(tmpdir(), 'herald-smtp-config-')), 'secret')
      onTestFinished(() => rmSync(dirname(path), { recursive: true }))
      async function findings(text: string) {
        writeFileSync(path, text, { mode: 0o600 })
        const upstreams = [{ host: 'mail.example.com', auth: { ...auth, [field]: path } }]
        const list = { ...key, SMTP_FROM: needed.SMTP_FROM, SMTP_UPSTREAMS: JSON.stringify(upstreams) }
        return (await readSettings(list)).findings.filter(({ variable }) => variable === 'SMTP_UPSTREAMS')
      }
      expect(await findings('changeme-marker\n')).toMatchObject([{ code: 'EXAMPLE_VALUE' }])
      expect(JSON.stringify(await findings('changeme-marker'))).not.toContain('marker')
      expect(await findings('abcd')).toEqual([])
    },
  )

  it('has one for a service that nobody can call, unless a network may', async () => {
    expect(await codesOf({})).toContain('NO_AUTH')
    expect(await codesOf({ ALLOW_NO_AUTH_FROM: 'loopback' })).not.toContain('NO_AUTH')
  })

  it.each(['0.0.0.0/0', '10.0.0.0/8', '8.8.8.0/24', '::/0', 'anyone'])(
    'lets nobody in from %s without a credential',
    async (networks) => {
      expect(await problemsOf({ ...needed, ...key, ALLOW_NO_AUTH_FROM: networks })).toEqual([
        'ALLOW_NO_AUTH_FROM',
      ])
    },
  )

  it('never waits longer than SEND_DEADLINE, and less when SMTP_TIMEOUT_SECONDS says so', async () => {
    expect((await read({ SMTP_TIMEOUT_SECONDS: '30' })).settings.sendDeadlineMs).toBe(4_500)
    expect((await read({ SMTP_TIMEOUT_SECONDS: '2' })).settings.sendDeadlineMs).toBe(2_000)
    // The stores take no part of a millisecond.
    expect((await read({ SEND_DEADLINE: '1500.5ms' })).settings.sendDeadlineMs).toBe(1_500)
  })

  it('takes a number or off for a limit, and nothing else', async () => {
    expect((await read({ RATE_LIMIT_PER_RECIPIENT: 'off' })).settings.limits.perRecipient).toBeUndefined()
    expect((await read({ RATE_LIMIT_PER_CALLER: '500' })).settings.limits.perCaller).toBe(500)
    expect(await problemsOf({ ...needed, ...key, RATE_LIMIT_PER_DOMAIN: '0' })).toEqual([
      'RATE_LIMIT_PER_DOMAIN',
    ])
  })
})
