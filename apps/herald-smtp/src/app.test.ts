import { existsSync, rmSync } from 'node:fs'
import fc from 'fast-check'
import PostalMime from 'postal-mime'
import { describe, expect, it } from 'vitest'
import { apiKey, sign, startTestedService } from './app.fixture.ts'

const mail = (changes: object = {}) => ({
  to: 'u@x.example',
  subject: 'Login',
  body: 'Code 123456',
  ...changes,
})
const key = (value: string) => ({ 'X-API-Key': apiKey, 'Idempotency-Key': value })

describe('POST /v1/send', () => {
  it('answers 200 for a mail that the server took, and says where it went', async () => {
    const { send, server } = await startTestedService()
    const { status, body } = await send(mail())
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        ok: true,
        message_id: expect.stringMatching(/^[\w-]{27}@herald\.example$/),
        provider: 'smtp',
        upstream: `127.0.0.1:${server.port}`,
        upstream_response_id: '4TEST1234',
      },
    })
    const [accepted] = server.messages
    expect(accepted).toMatchObject({ from: 'noreply@herald.example', to: ['u@x.example'] })
    const read = await PostalMime.parse(accepted!.raw)
    expect(read).toMatchObject({
      subject: 'Login',
      text: 'Code 123456\n',
      messageId: `<${String(body['message_id'])}>`,
    })
  })

  it('hands the mail server the parsed address in an envelope of its own', async () => {
    const { send, server } = await startTestedService({
      SMTP_ENVELOPE_FROM: 'bounces@herald.example',
      SMTP_REPLY_TO: 'help@herald.example',
      SMTP_FROM_NAME: 'Herald Bücher',
    })
    await send(mail({ to: 'U@BÜCHER.example' }))
    const [accepted] = server.messages
    expect(accepted).toMatchObject({ from: 'bounces@herald.example', to: ['U@xn--bcher-kva.example'] })
    expect(await PostalMime.parse(accepted!.raw)).toMatchObject({
      from: { name: 'Herald Bücher', address: 'noreply@herald.example' },
      replyTo: [{ address: 'help@herald.example' }],
      to: [{ address: 'U@xn--bcher-kva.example' }],
    })
  })

  it('takes null and empty fields for absent ones, as Go callers send them', async () => {
    const { send, server } = await startTestedService()
    const empty = {
      channel: '',
      template: '',
      params: null,
      subject: null,
      body: '',
      locale: '',
      timeout_seconds: 0,
    }
    expect((await send({ ...empty, to: 'u@x.example', idempotency_key: '' })).status).toBe(200)
    expect(await PostalMime.parse(server.messages[0]!.raw)).toMatchObject({
      subject: 'Verification code',
      text: 'You have a verification message. Please check your code.\n',
    })
  })

  it('counts an unknown template and sends', async () => {
    const { send, metrics } = await startTestedService()
    expect((await send({ to: 'u@x.example', template: 'otp', params: { code: 123456 } })).status).toBe(200)
    expect(await metrics()).toMatch(/herald_smtp_unknown_templates_total\{.*\} 1/)
  })

  it('refuses in the order size, credentials, type, form', async () => {
    const { send } = await startTestedService({ HTTP_BODY_LIMIT_BYTES: '1024' })
    const big = 'x'.repeat(2000)
    const form = { 'Content-Type': 'text/plain' }
    expect((await send(big, form)).status).toBe(413)
    expect((await send('x', form)).status).toBe(401)
    expect((await send('x', { ...form, 'X-API-Key': apiKey })).status).toBe(415)
    expect((await send('{}', { 'Content-Encoding': 'gzip', 'X-API-Key': apiKey })).status).toBe(415)
    expect((await send('x')).status).toBe(400)
  })

  const malformed: [string, unknown, string][] = [
    ['another channel', mail({ channel: 'sms' }), 'invalid_request'],
    ['CR and LF in the subject', mail({ subject: 'Hi\r\nBcc: v@x.example' }), 'invalid_request'],
    ['a bare LF in the subject', mail({ subject: 'Hi\nX: y' }), 'invalid_request'],
    ['NUL in the subject', mail({ subject: 'Hi\0' }), 'invalid_request'],
    ['NUL in the body', mail({ body: 'Hi\0' }), 'invalid_request'],
    ['half a character', '{"to":"u@x.example","body":"\\ud800"}', 'invalid_request'],
    ['invalid UTF-8', Buffer.from('{"to":"u@x.example","body":"\xff"}', 'latin1'), 'invalid_request'],
    ['a number for a subject', mail({ subject: 7 }), 'invalid_request'],
    ['a list of recipients', mail({ to: ['u@x.example'] }), 'invalid_request'],
    ['nested parameters', mail({ params: { code: { a: 1 } } }), 'invalid_request'],
    ['a negative timeout', mail({ timeout_seconds: -1 }), 'invalid_request'],
    ['a timeout in words', mail({ timeout_seconds: '5' }), 'invalid_request'],
    ['a long subject', mail({ subject: 'x'.repeat(256) }), 'invalid_request'],
    ['a long body', mail({ body: 'x'.repeat(100_001) }), 'invalid_request'],
    ['a long key', mail({ idempotency_key: 'x'.repeat(256) }), 'invalid_request'],
    ['a list', [], 'invalid_request'],
    ['null', 'null', 'invalid_request'],
    ['nothing', '', 'invalid_request'],
    ['no recipient', { body: 'x' }, 'invalid_destination'],
    ['null for a recipient', mail({ to: null }), 'invalid_destination'],
    ['two recipients', mail({ to: 'u@x.example,v@x.example' }), 'invalid_destination'],
    ['CR and LF in the recipient', mail({ to: 'u@x.example\r\n<v@x.example>' }), 'invalid_destination'],
  ]

  it.each(malformed)('refuses %s', async (_, body, code) => {
    const { send, server } = await startTestedService()
    const answer = await send(body)
    expect(answer).toMatchObject({
      status: 400,
      body: { ok: false, error_code: code, error_message: expect.any(String), outcome: 'not_sent' },
    })
    expect(server.messages).toHaveLength(0)
  })

  it('answers every request, however bad, with 200 or a 4xx in shape, and mails no one but the given address', async () => {
    const { send, server } = await startTestedService({ RATE_LIMIT_PER_RECIPIENT: 'off' })
    const nasty = fc.oneof(
      fc.constantFrom(
        '',
        'u@x.example',
        'email',
        '\r\nBcc: v@evil.example',
        'a\r\n.\r\nMAIL FROM:<v@evil.example>',
        '__proto__',
      ),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.jsonValue(),
    )
    const names = [
      'channel',
      'to',
      'template',
      'params',
      'subject',
      'body',
      'locale',
      'idempotency_key',
      'timeout_seconds',
    ]
    const bodies = fc.oneof(
      { weight: 5, arbitrary: fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), nasty) },
      {
        weight: 5,
        arbitrary: fc.record(Object.fromEntries(names.map((name) => [name, nasty])), { requiredKeys: [] }),
      },
      { weight: 5, arbitrary: nasty.map((subject) => mail({ subject })) },
      { weight: 5, arbitrary: nasty.map((body) => mail({ body })) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
    )
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const answer = await send(body)
        expect([200, 400, 422]).toContain(answer.status)
        const accepted = { ok: true, provider: 'smtp', message_id: expect.any(String) }
        const refused = {
          ok: false,
          error_code: expect.any(String),
          error_message: expect.any(String),
          request_id: expect.any(String),
        }
        expect(answer.body).toMatchObject(answer.status === 200 ? accepted : refused)
      }),
      { numRuns: 300 },
    )
    for (const { from, to, raw } of server.messages) {
      expect(from).toBe('noreply@herald.example')
      expect(to).toHaveLength(1)
      expect((await PostalMime.parse(raw)).bcc).toBeUndefined()
    }
  })

  it('ignores what headers try to inject', async () => {
    const { send, server } = await startTestedService()
    const headers = { 'X-API-Key': apiKey, 'X-Request-Id': 'a b\tc', To: 'v@evil.example', Subject: 'evil' }
    const { status, body } = await send(mail(), headers)
    expect(status).toBe(200)
    expect(body['request_id']).not.toContain(' ')
    expect(server.messages.map(({ to }) => to)).toEqual([['u@x.example']])
  })
})

type Row = [
  step: 'mail' | 'rcpt' | 'data' | 'body',
  code: number,
  text: string,
  expected: object,
  retryAfter?: true,
]

const invalid = {
  status: 422,
  body: { error_code: 'invalid_destination', permanent: true, outcome: 'not_sent' },
}
const failed = { status: 502, body: { error_code: 'send_failed', permanent: true, outcome: 'not_sent' } }
const deferred = { status: 503, body: { error_code: 'send_failed', permanent: false, outcome: 'not_sent' } }
const down = { status: 503, body: { error_code: 'provider_down', permanent: false, outcome: 'not_sent' } }
const limited = { status: 429, body: { error_code: 'rate_limited', permanent: false, outcome: 'not_sent' } }

const replies: Row[] = [
  ['rcpt', 550, 'no such user', invalid],
  ['rcpt', 551, 'user not local', invalid],
  ['rcpt', 553, 'mailbox name not allowed', invalid],
  ['rcpt', 550, '5.1.1 unknown', invalid],
  ['rcpt', 554, '5.1.2 bad domain', invalid],
  ['rcpt', 550, '5.1.3 bad syntax', invalid],
  ['rcpt', 550, '5.1.6 moved', invalid],
  ['rcpt', 550, '5.1.10 null MX', invalid],
  ['rcpt', 550, '5.2.1 disabled', invalid],
  ['rcpt', 553, '5.1.7 bad sender', failed],
  ['rcpt', 550, '5.1.8 bad sender domain', failed],
  ['mail', 550, 'we do not know you', failed],
  ['mail', 501, '5.1.7 bad sender', failed],
  ['rcpt', 552, 'full', { status: 422, body: { error_code: 'invalid_destination', reason: 'mailbox_full' } }],
  [
    'rcpt',
    550,
    '5.2.2 full',
    { status: 422, body: { error_code: 'invalid_destination', reason: 'mailbox_full' } },
  ],
  ['rcpt', 450, '4.2.0 greylisted', deferred, true],
  ['rcpt', 451, 'try again', deferred, true],
  ['rcpt', 451, '4.7.1 greylisted', deferred, true],
  ['mail', 421, 'too many', limited, true],
  ['data', 451, '4.7.0 slow down', limited, true],
  ['rcpt', 550, '5.7.1 policy', failed],
  ['body', 554, '5.7.1 looks like spam', failed],
  ['rcpt', 552, '5.3.4 too large', { status: 413, body: { error_code: 'send_failed' } }],
  ['body', 552, '5.3.4 too large', { status: 413, body: { error_code: 'send_failed' } }],
  ['mail', 530, '5.7.0 authenticate first', down],
  ['rcpt', 452, 'no space', down],
  ['mail', 451, '4.3.0 broken', down],
  ['data', 454, 'no', down],
  ['body', 554, 'no', failed],
  ['body', 451, '4.3.0 broken', down],
]

describe('a refusal of the mail server', () => {
  it.each(replies)('at %s with %i %s has its own answer', async (step, code, text, expected, retryAfter) => {
    const { send, server } = await startTestedService()
    server.on(step, { code, text: `${text} at internal-host-17` })
    const answer = await send(mail())
    expect(answer).toMatchObject(expected)
    expect(answer.body).toMatchObject({ ok: false, smtp_code: code })
    expect(JSON.stringify(answer.body)).not.toContain('internal-host-17')
    expect(answer.headers.has('retry-after')).toBe(retryAfter === true)
    expect(server.messages).toHaveLength(0)
  })

  it('to relay is no refusal of the address, which is not remembered as a bad one', async () => {
    const { send, server } = await startTestedService()
    server.on('rcpt', { code: 550, text: 'relay not permitted' }, { times: 1 })
    expect(await send(mail())).toMatchObject({
      status: 502,
      body: { error_code: 'send_failed', reason: 'policy' },
    })
    expect((await send(mail())).status).toBe(200)
  })

  it('is remembered when it is for good: the next mail to that address asks nobody, ten minutes long', async () => {
    const { send, server, advance } = await startTestedService()
    server.on('rcpt', { code: 550, text: '5.1.1 no such user' }, { times: 1 })
    expect((await send(mail())).status).toBe(422)
    const asked = server.count('RCPT')
    expect(await send(mail({ to: 'U@X.example' }))).toMatchObject(invalid)
    expect(server.count('RCPT')).toBe(asked)
    expect((await send(mail({ to: 'v@x.example' }))).status).toBe(200)
    advance(600_000)
    expect((await send(mail())).status).toBe(200)
  })
})

describe('a mail server that hangs', () => {
  it.each(['greeting', 'mail', 'rcpt', 'data'] as const)(
    'before the message (%s): 504, not sent',
    async (step) => {
      const { send, server } = await startTestedService({ SEND_DEADLINE: '600ms' })
      server.on(step, 'silence')
      const started = performance.now()
      expect(await send(mail())).toMatchObject({
        status: 504,
        body: { error_code: 'timeout', outcome: 'not_sent', permanent: false },
      })
      expect(performance.now() - started).toBeLessThan(900)
    },
  )

  it('after the message: 504, unknown, and the next call with that key sends once more under the same Message-ID', async () => {
    const { send, server } = await startTestedService({ SEND_DEADLINE: '600ms' })
    server.on('body', 'silence', { times: 1 })
    expect(await send(mail(), key('k'))).toMatchObject({
      status: 504,
      body: { error_code: 'timeout', outcome: 'unknown' },
    })
    const { status, body } = await send(mail(), key('k'))
    expect(status).toBe(200)
    expect(await send(mail(), key('k'))).toMatchObject({
      status: 200,
      body: { message_id: body['message_id'] },
    })
    expect(server.count('DATA')).toBe(2)
    expect(server.messages.at(-1)!.raw.toString()).toContain(`Message-ID: <${String(body['message_id'])}>`)
  })

  it('is shut for nobody by callers in a hurry: too slow for them, it takes the mail of others', async () => {
    const service = await startTestedService()
    service.server.on('rcpt', { delayMs: 900 })
    const hurried = Array.from({ length: 6 }, (_, n) =>
      service.send({ to: `h${n}@example.com`, body: 'x', timeout_seconds: 1 }),
    )
    for (const { body } of await Promise.all(hurried)) expect(body['reason']).toBe('timeout_not_sent')
    expect((await service.send({ to: 'ada@example.com', body: 'x' })).status).toBe(200)
  })

  it('is left alone after five callers with time to spare waited in vain', async () => {
    const service = await startTestedService({ SEND_DEADLINE: '500ms' })
    service.server.on('rcpt', 'silence')
    const send = (n: number) => service.send({ to: `p${n}@example.com`, body: 'x' })
    for (const { body } of await Promise.all([0, 1, 2, 3, 4].map(send)))
      expect(body['reason']).toBe('timeout_not_sent')
    expect((await send(5)).body['reason']).toBe('upstream_down')
  })

  it("is given up 300 ms before the caller's own timeout", async () => {
    const { send, server } = await startTestedService()
    server.on('mail', 'silence')
    const started = performance.now()
    expect((await send(mail({ timeout_seconds: 1 }))).status).toBe(504)
    expect(performance.now() - started).toBeLessThan(800)
  })
})

describe('idempotency over HTTP', () => {
  it('sends one mail for twenty parallel twins, each of whom gets its message_id', async () => {
    const { send, server } = await startTestedService()
    server.on('body', { delayMs: 100 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(mail(), key('twins'))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body['message_id'])).size).toBe(1)
    expect(server.messages).toHaveLength(1)
  })

  it('knows the same call whether the key stands in header, body or both', async () => {
    const { send, server } = await startTestedService()
    await send(mail(), key('k'))
    await send(mail({ idempotency_key: 'k' }))
    await send(mail({ idempotency_key: 'k' }), key('k'))
    expect(server.messages).toHaveLength(1)
  })

  it('refuses keys that differ, and another content under one key', async () => {
    const { send } = await startTestedService()
    expect(await send(mail({ idempotency_key: 'a' }), key('b'))).toMatchObject({
      status: 400,
      body: { error_code: 'invalid_request' },
    })
    await send(mail(), key('k'))
    for (const changes of [
      { to: 'v@x.example' },
      { body: 'other' },
      { params: { code: '1' } },
      { locale: 'de' },
    ]) {
      expect(await send(mail(changes), key('k'))).toMatchObject({
        status: 409,
        body: { error_code: 'idempotency_conflict' },
      })
    }
  })

  it('forgets a key when its time is over', async () => {
    const { send, server, advance } = await startTestedService({ IDEMPOTENCY_TTL_SECONDS: '60' })
    await send(mail(), key('k'))
    advance(60_001)
    await send(mail(), key('k'))
    expect(server.messages).toHaveLength(2)
  })
})

describe('a captured signed request', () => {
  it('gets the first answer again and sends nothing, whatever Idempotency-Key it carries', async () => {
    const { send, server, advance } = await startTestedService()
    const captured = sign(mail())
    const first = await send(mail(), { ...captured, 'Idempotency-Key': 'first' })
    expect(first.status).toBe(200)
    for (const attempt of [{}, { 'Idempotency-Key': 'other' }, { 'X-Key-Id': 'other' }]) {
      const replay = await send(mail(), { ...captured, ...attempt })
      expect(replay.body['message_id']).toBe(first.body['message_id'])
    }
    advance(299_000)
    expect((await send(mail(), { ...captured, 'Idempotency-Key': 'late' })).status).toBe(200)
    expect(server.messages).toHaveLength(1)
  })

  it('stays refused when its first answer was a refusal, so that nobody can send it later', async () => {
    const { send, server } = await startTestedService()
    server.on('rcpt', { code: 451, text: '4.7.1 greylisted' }, { times: 1 })
    const captured = sign(mail())
    expect((await send(mail(), captured)).status).toBe(503)
    expect(await send(mail(), { ...captured, 'Idempotency-Key': 'other' })).toMatchObject({
      status: 503,
      body: { reason: 'greylisted' },
    })
    expect(server.messages).toHaveLength(0)
  })

  it('does not meet a request that was signed a second later', async () => {
    const { send, server } = await startTestedService()
    await send(mail(), sign(mail()))
    await send(
      mail(),
      sign(mail(), () => Date.now() + 1000),
    )
    expect(server.messages).toHaveLength(2)
  })
})

describe('the limit per recipient', () => {
  it('refuses the eleventh mail of an hour with Retry-After, whatever the case of the address', async () => {
    const { send, server } = await startTestedService()
    for (let n = 0; n < 10; n++) expect((await send(mail())).status).toBe(200)
    const refused = await send(mail({ to: 'U@X.example' }))
    expect(refused).toMatchObject({ status: 429, body: { error_code: 'rate_limited', outcome: 'not_sent' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await send(mail({ to: 'v@x.example' }))).status).toBe(200)
    expect(server.messages).toHaveLength(11)
  })

  it('is not touched by repeated calls, nor by mails that were certainly not sent', async () => {
    const { send, server } = await startTestedService({ RATE_LIMIT_PER_RECIPIENT: '2' })
    for (let n = 0; n < 5; n++) expect((await send(mail(), key('k'))).status).toBe(200)
    server.on('rcpt', { code: 452, text: 'no space' })
    for (let n = 0; n < 3; n++) expect((await send(mail())).status).toBe(503)
    server.behave()
    // The breaker leaves an upstream alone for a second after so many failures.
    await expect.poll(async () => (await send(mail())).status, { timeout: 5_000 }).toBe(200)
    expect((await send(mail())).status).toBe(429)
  })

  it('has companions per caller and per domain', async () => {
    const perCaller = await startTestedService({
      RATE_LIMIT_PER_CALLER: '1',
      RATE_LIMIT_PER_RECIPIENT: 'off',
    })
    expect((await perCaller.send(mail())).status).toBe(200)
    expect((await perCaller.send(mail({ to: 'v@y.example' }))).status).toBe(429)
    const perDomain = await startTestedService({ RATE_LIMIT_PER_DOMAIN: '1' })
    expect((await perDomain.send(mail())).status).toBe(200)
    expect((await perDomain.send(mail({ to: 'v@x.example' }))).status).toBe(429)
    expect((await perDomain.send(mail({ to: 'v@y.example' }))).status).toBe(200)
  })
})

describe('without its store', () => {
  it('starts on the environment that the original needs, keeps keys in memory and warns', async () => {
    const { send, server, logged } = await startTestedService({ SQLITE_PATH: '' })
    await send(mail(), key('k'))
    expect((await send(mail(), key('k'))).status).toBe(200)
    expect(server.messages).toHaveLength(1)
    expect(logged()).toContain('no store is configured')
    expect(existsSync(':memory:')).toBe(false)
  })

  it('sends nothing that a key or a limit depends on', async () => {
    const { send, server, sqlitePath, request } = await startTestedService()
    rmSync(sqlitePath)
    expect(await send(mail(), key('k'))).toMatchObject({
      status: 503,
      body: { error_code: 'provider_down', outcome: 'not_sent' },
    })
    expect((await request('/readyz')).status).toBe(503)
    expect((await request('/healthz')).status).toBe(200)
    expect(server.messages).toHaveLength(0)
  })

  it('still sends what needs none', async () => {
    const { send, sqlitePath } = await startTestedService({ RATE_LIMIT_PER_RECIPIENT: 'off' })
    rmSync(sqlitePath)
    expect((await send(mail())).status).toBe(200)
    expect((await send(mail(), sign(mail()))).status).toBe(503)
  })
})

describe('the log', () => {
  it('shows who, where and what became of it, and never address, code, subject, body, key or reply', async () => {
    const { send, server, logged } = await startTestedService()
    const secret = { to: 'person@x.example', subject: 'marker-subject', body: 'marker-body 918273' }
    await send(mail(secret), key('marker-key'))
    server.on('rcpt', { code: 550, text: 'marker-reply' })
    await send(
      mail({ ...secret, params: { code: '918273' } }),
      sign(mail({ ...secret, params: { code: '918273' } })),
    )
    await send(mail({ to: 'marker-bad\r\n@x.example' }))
    expect(logged()).toContain('"to":"p***@x.example"')
    expect(logged()).toContain('"upstream_response_id":"4TEST1234"')
    for (const text of ['person', 'marker', '918273', apiKey]) expect(logged()).not.toContain(text)
  })
})

describe('what stands beside /v1/send', () => {
  it('is the shape of the contract for unknown paths and methods', async () => {
    const { request } = await startTestedService()
    expect(await request('/v1/nothing')).toMatchObject({
      status: 404,
      body: { ok: false, error_code: 'not_found' },
    })
    const wrongMethod = await request('/v1/send')
    expect(wrongMethod).toMatchObject({ status: 405, body: { ok: false, error_code: 'method_not_allowed' } })
    expect(wrongMethod.headers.get('allow')).toBe('POST')
  })

  it('tells in /readyz of an upstream that is down, and stays ready', async () => {
    const { request, server } = await startTestedService()
    await expect
      .poll(() => request('/readyz'))
      .toMatchObject({ status: 200, body: { checks: { upstream: { status: 'ok' } } } })
    await server.stop()
    const down = await startTestedService({ SMTP_PORT: String(server.port) })
    await expect
      .poll(() => down.request('/readyz'))
      .toMatchObject({
        status: 200,
        body: { checks: { store: { status: 'ok' }, upstream: { status: 'down' } } },
      })
  })

  it('counts mails by outcome and reason', async () => {
    const { send, server, metrics } = await startTestedService()
    await send(mail(), key('k'))
    await send(mail(), key('k'))
    server.on('rcpt', { code: 550, text: 'no' })
    await send(mail({ to: 'v@x.example' }))
    expect(await metrics()).toMatch(/herald_smtp_sends_total\{outcome="accepted",reason="".*\} 1\n/)
    expect(await metrics()).toMatch(
      /herald_smtp_sends_total\{outcome="not_sent",reason="invalid_destination".*\} 1\n/,
    )
  })
})
