import { createSigner } from '@herald/auth'
import {
  createFaultProxy,
  locateRedisBinary,
  runService,
  startRedis,
  startService,
  startSmtpServer,
  type RunningService,
} from '@herald/testing'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { describe, expect, it, onTestFinished } from 'vitest'

const apiKey = 'a-key-of-the-tests-0123456789abcdef'
const hmacSecret = 'a-secret-of-the-tests-0123456789abc'
const withKey = { 'X-API-Key': apiKey }
const mail = (changes: object = {}) => ({
  to: 'u@x.example',
  subject: 'Login',
  body: 'Code 123456',
  ...changes,
})

const inEmptyFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-e2e-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

async function smtpServer() {
  const server = await startSmtpServer()
  onTestFinished(() => server.stop())
  return server
}

function environment(server: { port: number }, changes: Record<string, string>): Record<string, string> {
  return {
    ENVIRONMENT: 'test',
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(server.port),
    SMTP_USE_STARTTLS: 'false',
    SMTP_FROM: 'noreply@herald.example',
    ...('REDIS_ADDR' in changes ? {} : { SQLITE_PATH: join(inEmptyFolder(), 'store.sqlite') }),
    ...changes,
  }
}

async function launch(env: Record<string, string>): Promise<RunningService> {
  const service = await startService('herald-smtp', env)
  onTestFinished(() => service.kill())
  return service
}

async function post(service: { url: string }, body: unknown, headers: Record<string, string> = withKey) {
  const response = await fetch(`${service.url}/v1/send`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const messageIds = (server: { messages: readonly { raw: Buffer }[] }) =>
  server.messages.map(({ raw }) => /^Message-ID: (.*)\r$/m.exec(raw.toString())?.[1])

describe('the bundle', () => {
  it('is one file that runs from an empty folder', () => {
    const folder = inEmptyFolder()
    copyFileSync(join(import.meta.dirname, '../dist/main.js'), join(folder, 'main.js'))
    const { status, stdout } = spawnSync(process.execPath, ['main.js', 'config', 'check'], {
      cwd: folder,
      env: {},
    })
    expect(stdout.toString()).toContain('SMTP_HOST must be set')
    expect(status).toBe(78)
    expect(readdirSync(folder)).toEqual(['main.js'])
  })

  it('refuses a start it should not make with 78 and every problem at once', async () => {
    const { code, output } = await runService('herald-smtp', [], {
      SMTP_PORT: 'x',
      SMTP_USER: 'u',
      SEND_DEADLINE: '5',
    })
    expect(code).toBe(78)
    for (const name of ['SMTP_HOST', 'SMTP_FROM', 'SMTP_PORT', 'SMTP_PASSWORD', 'SEND_DEADLINE']) {
      expect(output).toContain(`"variable":"${name}"`)
    }
  })

  it('refuses a broken layout with 78, and so does config check, naming file and line', async () => {
    const path = join(inEmptyFolder(), 'layout.html')
    writeFileSync(path, '<p>\n{{content}}</p>\n{{kontent}}\n')
    const env = { SMTP_HOST: '127.0.0.1', SMTP_FROM: 'noreply@herald.example', MAIL_LAYOUT_FILE: path }
    for (const words of [[], ['config', 'check']]) {
      const { code, output } = await runService('herald-smtp', words, env)
      expect(code).toBe(78)
      expect(output).toContain(`names ${path}, whose line 3 asks for {{kontent}}`)
    }
  })

  it.each([
    ['NO_AUTH', {}],
    ['WEAK_KEY', { API_KEY: 'short' }],
    ['EXAMPLE_VALUE', { API_KEY: 'your-api-key-0123456789-0123456789' }],
    ['TLS_VERIFY_OFF', { API_KEY: apiKey, SMTP_SKIP_TLS_VERIFY: 'true' }],
    ['SMTP_PLAINTEXT', { API_KEY: apiKey, SMTP_USE_STARTTLS: 'false', SMTP_HOST: '192.0.2.1' }],
  ])('refuses %s in production', async (gate, changes) => {
    const env = { SMTP_HOST: '127.0.0.1', SMTP_FROM: 'noreply@herald.example', ...changes }
    const { code, output } = await runService('herald-smtp', [], env)
    expect(code).toBe(78)
    expect(output).toContain(`"code":"${gate}"`)
    const check = await runService('herald-smtp', ['config', 'check'], env)
    expect(check).toMatchObject({ code: 78, output: expect.stringContaining(`refused ${gate}`) })
  })

  it('answers what is in flight when it is told to stop, and ends with 0', async () => {
    const server = await smtpServer()
    server.on('body', { delayMs: 500 })
    const service = await launch(environment(server, { API_KEY: apiKey }))
    const answers = Array.from({ length: 5 }, (_, n) => post(service, mail({ to: `u${n}@x.example` })))
    await expect.poll(() => server.count('DATA')).toBe(5)
    const exit = service.stop()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await exit).toBe(0)
    expect(server.messages).toHaveLength(5)
  })

  it('takes no lost store for an empty one until an operator has vouched for it', async () => {
    const server = await smtpServer()
    const env = environment(server, { API_KEY: apiKey })
    const service = await launch(env)
    rmSync(env['SQLITE_PATH'] ?? '')
    expect((await post(service, mail({ idempotency_key: 'k' }))).status).toBe(503)
    await service.stop()
    const { code, output } = await runService('herald-smtp', ['store', 'confirm'], env)
    expect({ code, output }).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^store \w+ is confirmed since /),
    })
    expect((await post(await launch(env), mail({ idempotency_key: 'k' }))).status).toBe(200)
  })

  it('keeps its word to a key over a restart on SQLite', async () => {
    const server = await smtpServer()
    const env = environment(server, { API_KEY: apiKey })
    const before = await launch(env)
    const first = await post(before, mail({ idempotency_key: 'k' }))
    await before.stop()
    const again = await post(await launch(env), mail({ idempotency_key: 'k' }))
    expect(again.body['message_id']).toBe(first.body['message_id'])
    expect(server.messages).toHaveLength(1)
  })
})

describe('the requests of the callers there are', () => {
  it('takes those of Herald 0.9, which cannot send a key, from loopback alone', async () => {
    const server = await smtpServer()
    const service = await launch(environment(server, { ALLOW_NO_AUTH_FROM: 'loopback' }))
    const challenge = 'ch_9f2c1a7e'
    const request = {
      channel: 'email',
      to: 'u@x.example',
      subject: 'Verification code',
      body: 'Your verification code is 482913, valid for 5 minutes.',
      locale: 'en',
      idempotency_key: challenge,
    }
    const headers = {
      'Idempotency-Key': challenge,
      'User-Agent': 'Go-http-client/1.1',
      'Accept-Encoding': 'gzip',
    }
    expect(await post(service, request, headers)).toMatchObject({
      status: 200,
      body: { ok: true, provider: 'smtp' },
    })
    expect(await PostalMime.parse(server.messages[0]!.raw)).toMatchObject({
      subject: 'Verification code',
      text: 'Your verification code is 482913, valid for 5 minutes.\n',
    })
    for (const mark of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP']) {
      expect(await post(service, request, { ...headers, [mark]: '127.0.0.1' })).toMatchObject({
        status: 401,
        body: { ok: false, error_code: 'unauthorized' },
      })
    }
    expect(service.output()).toContain('ALLOW_NO_AUTH_FROM lets requests without credentials send mail')
    const metrics = await (await fetch(`${service.url}/metrics`)).text()
    expect(metrics).toMatch(/herald_smtp_no_auth_allowed\{.*\} 1\n/)
  })

  it('takes those of Herald 1.x with its key, and answers inside its five seconds', async () => {
    const server = await smtpServer()
    const service = await launch(environment(server, { API_KEY: apiKey }))
    const request = {
      channel: 'email',
      to: 'u@x.example',
      template: 'verification',
      params: { code: '482913', expires_in: '300' },
      subject: 'Verification code',
      body: 'Your verification code is 482913.',
      locale: 'en-US',
      idempotency_key: 'ch_1',
      timeout_seconds: 5,
    }
    expect(await post(service, request, { ...withKey, 'Idempotency-Key': 'ch_1' })).toMatchObject({
      status: 200,
      body: { ok: true, message_id: expect.any(String), provider: 'smtp' },
    })
    expect(await post(service, { ...request, to: '' })).toMatchObject({ status: 400, body: { ok: false } })
    server.on('rcpt', 'silence')
    const started = performance.now()
    expect((await post(service, { ...request, idempotency_key: 'ch_2' })).status).toBe(504)
    expect(performance.now() - started).toBeLessThan(4_700)
  })
})

describe.skipIf(locateRedisBinary() === undefined)('two processes on one Redis', () => {
  async function pair(changes: Record<string, string> = {}) {
    const [server, redis] = await Promise.all([smtpServer(), startRedis()])
    onTestFinished(() => redis.stop())
    const env = environment(server, {
      API_KEY: apiKey,
      HMAC_SECRET: hmacSecret,
      REDIS_ADDR: `${redis.host}:${redis.port}`,
      ...changes,
    })
    return { server, redis, env, one: await launch(env), other: await launch(env) }
  }

  it('send one mail for twenty parallel twins', async () => {
    const { server, one, other } = await pair()
    server.on('body', { delayMs: 200 })
    const twins = Array.from({ length: 20 }, (_, n) =>
      post(n % 2 ? one : other, mail({ idempotency_key: 'k' })),
    )
    const answers = await Promise.all(twins)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body['message_id'])).size).toBe(1)
    expect(server.messages).toHaveLength(1)
  })

  it('send one mail for a signed request that was captured and comes to both with other keys', async () => {
    const { server, one, other } = await pair()
    const headers = createSigner({ secret: hmacSecret, service: 'herald', now: Date.now })(
      Buffer.from(JSON.stringify(mail())),
    )
    const copies = Array.from({ length: 10 }, (_, n) =>
      post(n % 2 ? one : other, mail(), { ...headers, 'Idempotency-Key': `key-${n}` }),
    )
    const answers = await Promise.all(copies)
    expect(new Set(answers.map(({ body }) => body['message_id'])).size).toBe(1)
    expect(server.messages).toHaveLength(1)
  })

  it('share the limit of a recipient', async () => {
    const { one, other } = await pair({ RATE_LIMIT_PER_RECIPIENT: '3' })
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => post(n % 2 ? one : other, mail())))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(5)
  })

  it('send once more under the same Message-ID after one of them was killed while sending', async () => {
    const { server, one, other } = await pair({ SEND_DEADLINE: '500ms' })
    server.on('body', 'silence', { times: 1 })
    const cutOff = post(one, mail({ idempotency_key: 'k' })).catch(() => 'cut off')
    await expect.poll(() => server.count('DATA')).toBe(1)
    await one.kill()
    expect(await cutOff).toBe('cut off')
    expect(await post(other, mail({ idempotency_key: 'k' }))).toMatchObject({
      status: 504,
      body: { error_code: 'timeout', outcome: 'unknown' },
    })
    const again = () => post(other, mail({ idempotency_key: 'k' }))
    await expect.poll(again, { timeout: 5_000 }).toMatchObject({ status: 200 })
    expect(server.count('DATA')).toBe(2)
    const { body } = await again()
    expect(messageIds(server)).toEqual([`<${String(body['message_id'])}>`])
  })

  it('judge a Redis without a password by how far away it is', async () => {
    const { redis, env } = await pair()
    const production = { ...env, ENVIRONMENT: 'production', REDIS_ADDR: `127.0.0.1:${redis.port}` }
    expect(await runService('herald-smtp', ['config', 'check'], production)).toMatchObject({
      code: 0,
      output: expect.stringContaining('warning REDIS_NOAUTH'),
    })
  })

  it('send nothing that a key guards while Redis is away, and keep their word when it is back', async () => {
    const { server, redis, one } = await pair()
    const first = await post(one, mail({ idempotency_key: 'k' }))
    redis.pause()
    expect(await post(one, mail({ idempotency_key: 'other' }))).toMatchObject({
      status: 503,
      body: { error_code: 'provider_down', outcome: 'not_sent' },
    })
    redis.resume()
    await expect
      .poll(() => post(one, mail({ idempotency_key: 'k' })), { timeout: 5_000 })
      .toMatchObject({ status: 200, body: { message_id: first.body['message_id'] } })
    expect(server.messages).toHaveLength(1)
  })

  it('send a mail once although the reply of Redis to its claim was lost', async () => {
    const { server, redis, env } = await pair()
    const proxy = await createFaultProxy({ host: redis.host, port: redis.port })
    onTestFinished(() => proxy.close())
    const service = await launch({ ...env, REDIS_ADDR: `127.0.0.1:${proxy.port}`, SEND_DEADLINE: '1500ms' })
    const call = () => post(service, mail({ idempotency_key: 'k' }))
    proxy.swallowReplies(1)
    expect(await call()).toMatchObject({ status: 503, body: { error_code: 'provider_down' } })
    expect(server.messages).toHaveLength(0)
    await expect.poll(call, { timeout: 8_000 }).toMatchObject({ status: 200 })
    expect((await call()).status).toBe(200)
    expect(server.messages).toHaveLength(1)
  })
})
