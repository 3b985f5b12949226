import {
  createTestCertificates,
  startService,
  startSmtpServer,
  type RunningService,
  type SmtpServer,
  type SmtpStep,
} from '@herald/testing'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

const apiKey = 'a-key-of-the-tests-0123456789abcdef'
const deadlineMs = 1_000
/** What a busy machine may add. */
const slackMs = 1_000

type Answered = { status: number; body: Record<string, unknown>; retryAfter: string | null; tookMs: number }

/** Two mail servers with STARTTLS and AUTH, the service in front of them, and what each test asks of it. */
async function twoUpstreams(options: { connections?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-failover-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { ca, valid } = await createTestCertificates()
  writeFileSync(join(folder, 'ca.pem'), ca)
  writeFileSync(join(folder, 'password'), 'right', { mode: 0o600 })
  async function serverAt(port = 0): Promise<SmtpServer> {
    const secured = { tls: 'starttls', certificate: valid } as const
    const server = await startSmtpServer({
      ...secured,
      authMechanisms: ['PLAIN'],
      users: { herald: 'right' },
      port,
    })
    onTestFinished(() => server.stop().catch(() => {}))
    return server
  }
  const [a, b] = [await serverAt(), await serverAt()]
  const upstreams = Object.entries({ a, b }).map(([name, { port }]) => ({
    name,
    host: '127.0.0.1',
    port,
    ca_file: join(folder, 'ca.pem'),
    auth: { user: 'herald', password_file: join(folder, 'password') },
    ...options,
  }))
  const service = await startService('herald-smtp', {
    ENVIRONMENT: 'test',
    API_KEY: apiKey,
    SMTP_UPSTREAMS: JSON.stringify(upstreams),
    SMTP_FROM: 'noreply@herald.example',
    SQLITE_PATH: join(folder, 'store.sqlite'),
    SEND_DEADLINE: `${deadlineMs}ms`,
  })
  onTestFinished(() => service.kill())
  const send = (prefix: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => post(service, `${prefix}${n}`)))
  return { a, b, send, serverAt, breakerOf: (name: string) => breakerState(service, name) }
}

async function post(service: RunningService, key: string): Promise<Answered> {
  const startedAt = performance.now()
  const response = await fetch(`${service.url}/v1/send`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': apiKey, 'Idempotency-Key': key },
    body: JSON.stringify({ to: `${key}@example.com`, subject: 'Login', body: 'Code 123456' }),
  })
  const body = (await response.json()) as Record<string, unknown>
  const retryAfter = response.headers.get('retry-after')
  return { status: response.status, body, retryAfter, tookMs: performance.now() - startedAt }
}

/** 0 is closed, 1 half open, 2 open. */
async function breakerState({ url }: RunningService, upstream: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`herald_smtp_breaker_state\\{.*upstream="${upstream}".*\\} (\\d)`).exec(text)?.[1])
}

const recipientsOf = (...servers: SmtpServer[]) =>
  servers.flatMap(({ messages }) => messages.flatMap(({ to }) => to)).toSorted()

function expectInTime(answers: readonly Answered[]): void {
  expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeLessThan(deadlineMs + slackMs)
}

/** Each answer is a 200, or says that the outcome is unknown; nobody got two mails, and whoever heard 200 got one. */
function expectTruth(answers: readonly Answered[], prefix: string, ...servers: SmtpServer[]): void {
  const received = recipientsOf(...servers).filter((to) => to.startsWith(prefix))
  expect(received).toEqual([...new Set(received)])
  for (const [n, { status, body }] of answers.entries()) {
    if (status === 200) expect(received).toContain(`${prefix}${n}@example.com`)
    else expect(body).toMatchObject({ error_code: 'timeout', outcome: 'unknown' })
  }
}

const steps: readonly SmtpStep[] = [
  'greeting',
  'ehlo',
  'starttls',
  'handshake',
  'auth',
  'mail',
  'rcpt',
  'data',
]

describe('two mail servers behind the bundle', () => {
  it('the second takes over in time wherever the first stalls before it has the message', async () => {
    const { a, b, send } = await twoUpstreams()
    for (const step of steps) {
      a.on(step, 'silence')
      a.cut()
      const answers = await send(step, 4)
      const seen = answers.map(({ status, body }) => ({ step, status, upstream: body['upstream'] }))
      expect(seen).toEqual(answers.map(() => ({ step, status: 200, upstream: 'b' })))
      expectInTime(answers)
      a.behave()
      expect(await send(`${step}-after`, 1)).toMatchObject([{ status: 200, body: { upstream: 'a' } }])
    }
    const received = recipientsOf(a, b)
    expect(received).toEqual([...new Set(received)])
    expect(b.messages).toHaveLength(steps.length * 4)
  })

  it('the second is not asked when the first one has the message and is silent', async () => {
    const { a, b, send } = await twoUpstreams()
    a.on('body', 'silence')
    const answers = await send('silent', 4)
    expect(answers.map(({ status, body }) => [status, body['outcome']])).toEqual(
      answers.map(() => [504, 'unknown']),
    )
    expectInTime(answers)
    expect(a.count('DATA')).toBe(4)
    expect(b.count('MAIL')).toBe(0)
  })

  it('no mail is lost and none sent twice when the first is killed under load, and it is used again once it is back', async () => {
    const { a, b, send, serverAt, breakerOf } = await twoUpstreams()
    a.on('body', { delayMs: 20 })
    await send('warm', 4)
    const sending = send('load', 60)
    await expect.poll(() => a.messages.length, { interval: 1 }).toBeGreaterThan(6)
    await a.stop()
    const answers = await sending
    expectTruth(answers, 'load', a, b)
    expectInTime(answers)
    expect(answers.filter(({ body }) => body['upstream'] === 'b').length).toBeGreaterThan(20)
    const revived = await serverAt(a.port)
    await expect.poll(() => breakerOf('a'), { timeout: 10_000 }).toBe(1)
    expect(await send('back', 1)).toMatchObject([{ status: 200, body: { upstream: 'a' } }])
    expect(await breakerOf('a')).toBe(0)
    expect(recipientsOf(revived)).toEqual(['back0@example.com'])
  })

  it.each([
    ['its connections are all in use', (a: SmtpServer) => a.on('body', { delayMs: 100 })],
    ['its disk is full', (a: SmtpServer) => a.on('mail', { code: 452, text: '4.3.1 Full' }, { every: 2 })],
    ['it asks to slow down', (a: SmtpServer) => a.on('mail', { code: 421, text: '4.7.0 Slow', drop: true })],
  ])('every mail leaves once, through both, when the first fills up under load: %s', async (_, fill) => {
    const { a, b, send } = await twoUpstreams({ connections: 2 })
    await send('warm', 1)
    fill(a)
    const answers = await send('full', 40)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expectTruth(answers, 'full', a, b)
    expectInTime(answers)
    expect(b.messages.length).toBeGreaterThan(10)
  })

  it('the answer is 503 in time, and nothing was sent, when both are down; then at once, with Retry-After', async () => {
    const { a, b, send } = await twoUpstreams()
    await Promise.all([a.stop(), b.stop()])
    const down = { ok: false, error_code: 'provider_down', reason: 'upstream_down', outcome: 'not_sent' }
    const first = await send('down', 8)
    expect(first).toMatchObject(first.map(() => ({ status: 503, body: down })))
    expectInTime(first)
    const next = await send('still', 4)
    expect(next).toMatchObject(next.map(() => ({ status: 503, body: down })))
    for (const { retryAfter } of next) expect(Number(retryAfter)).toBeGreaterThan(0)
    expect(Math.max(...next.map(({ tookMs }) => tookMs))).toBeLessThan(slackMs)
  })

  it('the answer says in time that nothing was sent when both stall', async () => {
    const { a, b, send } = await twoUpstreams()
    for (const server of [a, b]) server.on('auth', 'silence')
    const answers = await send('stalled', 4)
    const late = { ok: false, error_code: 'timeout', reason: 'timeout_not_sent', outcome: 'not_sent' }
    expect(answers).toMatchObject(answers.map(() => ({ status: 504, body: late })))
    expectInTime(answers)
    expect(recipientsOf(a, b)).toEqual([])
  })
})
