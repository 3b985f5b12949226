import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminApiKey, openApp, refusal, type App } from '../test/app-harness.ts'
import { subjectTag } from './store/subject-tag.ts'

let app: App

beforeAll(async () => {
  app = await openApp()
})

afterAll(async () => {
  await app.close()
})

const postPaths = ['/v1/enroll/start', '/v1/enroll/confirm', '/v1/verify', '/v1/revoke', '/v1/unlock']
const json = { 'Content-Type': 'application/json' }

describe('what stands before every /v1 call', () => {
  it('refuses without credentials before it reads anything, also where there is no route', async () => {
    for (const path of [...postPaths, '/v1/nothing-here']) {
      const { status, body } = await app.call('POST', path, { key: null, headers: json, body: '{' })
      expect([status, body]).toEqual([401, refusal('unauthorized')])
    }
  })

  it('refuses a large body before credentials, and a foreign content type after them', async () => {
    const large = await app.call('POST', '/v1/verify', { key: null, body: 'x'.repeat(64 * 1024 + 1) })
    expect([large.status, large.body]).toEqual([413, refusal('body_too_large')])
    const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'subject=a' }
    expect((await app.call('POST', '/v1/verify', { ...form, key: null })).status).toBe(401)
    const { status, body } = await app.call('POST', '/v1/verify', form)
    expect([status, body]).toEqual([415, refusal('unsupported_media_type')])
  })

  it('answers 404 and 405 in the same shape', async () => {
    const unknown = await app.call('GET', '/v1/nothing-here')
    expect([unknown.status, unknown.body]).toEqual([404, refusal('not_found')])
    const wrongMethod = await app.call('GET', '/v1/verify')
    expect([wrongMethod.status, wrongMethod.body]).toEqual([405, refusal('method_not_allowed')])
    expect(wrongMethod.headers.get('allow')).toBe('POST')
  })

  it('invites no other origin and lets nothing be cached', async () => {
    const { headers } = await app.call('GET', '/v1/status?subject=a', {
      headers: { Origin: 'https://other.test' },
    })
    expect(headers.get('access-control-allow-origin')).toBeNull()
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

describe('probes', () => {
  it('answer without credentials', async () => {
    for (const path of ['/livez', '/healthz', '/readyz']) {
      const { status, body } = await app.call('GET', path, { key: null })
      expect([status, body]).toMatchObject([200, { status: 'ok', service: 'herald-totp' }])
    }
    expect((await app.call('GET', '/metrics', { key: null })).text).toContain(
      'herald_totp_enroll_start_total',
    )
  })

  it('show the check value of each key, never the key', async () => {
    const { body } = await app.call('GET', '/readyz', { key: null })
    expect(body['checks']).toEqual({
      primary: expect.stringMatching(/^k[0-9a-f]{8}$/),
      problems: [],
      keys: [
        {
          id: expect.stringMatching(/^k[0-9a-f]{8}$/),
          state: 'enabled',
          kcv: expect.stringMatching(/^[0-9a-f]{8}$/),
        },
      ],
    })
  })
})

describe('whoever writes to the store but has no key', () => {
  function rewrite(sql: string, ...values: string[]) {
    const database = new DatabaseSync(app.sqlitePath)
    database.prepare(sql).run(...values)
    database.close()
  }

  const setBox = `UPDATE subjects SET credentials = json_set(credentials, '$[0].box', ?) WHERE tag = ?`
  const copyBox = `UPDATE subjects SET credentials = json_set(credentials, '$[0].box',
    (SELECT credentials ->> '$[0].box' FROM subjects WHERE tag = ?)) WHERE tag = ?`
  const copySet =
    'UPDATE subjects SET backup_set = (SELECT backup_set FROM subjects WHERE tag = ?) WHERE tag = ?'
  const blobOfTheOriginal = Buffer.alloc(60, 7).toString('base64')

  it.each<[string, string, (tags: { victim: string; own: string }) => string[]]>([
    ['a secret of their own', copyBox, ({ victim, own }) => [own, victim]],
    ['backup codes of their own', copySet, ({ victim, own }) => [own, victim]],
    ['a blob of the original', setBox, ({ victim }) => [blobOfTheOriginal, victim]],
  ])('gets nobody in with %s', async (what, sql, values) => {
    const [victim, own] = [`victim of ${what}`, `owner of ${what}`]
    await app.enrol(victim)
    const mallory = await app.enrol(own)
    rewrite(sql, ...values({ victim: subjectTag(victim), own: subjectTag(own) }))
    const code = sql === copySet ? mallory.backupCodes[0] : mallory.code(0)
    const { status, body } = await app.post('/v1/verify', { subject: victim, code })
    expect([status, body]).toEqual([500, refusal('internal_error')])
    expect(app.log()).toContain('"type":"BoxError"')
  })
})

describe('bad input', () => {
  const anyField = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constant('x'.repeat(300)))
  const anyRequest = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        subject: anyField,
        code: anyField,
        enroll_id: anyField,
        challenge_id: anyField,
        label: anyField,
        qr: anyField,
      },
      { requiredKeys: [] },
    ),
  )
  const path = fc.constantFrom(...postPaths)
  /** May call every route, so that each one's parsing is reached. */
  const key = adminApiKey

  const is4xx = (status: number) => status >= 400 && status < 500

  function expectContract({ status, body, text }: Awaited<ReturnType<App['call']>>) {
    if (status === 200) return
    expect({ status, text }).toMatchObject({ status: expect.toSatisfy(is4xx) })
    expect(body).toMatchObject({ ok: false, reason: expect.any(String), request_id: expect.any(String) })
  }

  it('of any JSON is 200 or a 4xx in the shape of the contract', async () => {
    await fc.assert(
      fc.asyncProperty(path, anyRequest, async (name, request) => {
        const body = JSON.stringify(request)
        expectContract(await app.call('POST', name, { key, headers: json, body }))
      }),
      { numRuns: 300 },
    )
  })

  it('of any bytes is a 4xx in the shape of the contract', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text.slice(0, -1))),
      fc.uint8Array().map((junk) => Buffer.concat([Buffer.from('{"subject":"'), junk, Buffer.from('"}')])),
      fc.constant(Buffer.from('{"subject":"\\ud800"}')),
      fc.constant(Buffer.alloc(64 * 1024, '[')),
    )
    await fc.assert(
      fc.asyncProperty(path, bytes, async (name, body) => {
        const answer = await app.call('POST', name, { key, headers: json, body: new Uint8Array(body) })
        expectContract(answer)
      }),
      { numRuns: 300 },
    )
  })

  it('of any query is 200 or 400', async () => {
    const query = fc.oneof(
      fc.string().map((text) => encodeURIComponent(text.toWellFormed())),
      fc.stringMatching(/^[a-zA-Z0-9%&=+;._~-]{0,40}$/),
    )
    await fc.assert(
      fc.asyncProperty(query, async (text) => {
        const answer = await app.call('GET', `/v1/status?subject=${text}`)
        expectContract(answer)
        expect([200, 400]).toContain(answer.status)
      }),
      { numRuns: 200 },
    )
  })

  it('of any credentials is 401', async () => {
    const headerText = fc.stringMatching(/^[\x21-\x7e]{0,80}$/)
    const names = ['X-API-Key', 'X-Signature', 'X-Timestamp', 'X-Service', 'X-Key-Id'] as const
    const headers = fc.record(Object.fromEntries(names.map((name) => [name, headerText])), {
      requiredKeys: [],
    })
    await fc.assert(
      fc.asyncProperty(headers, async (junk) => {
        const answer = await app.call('GET', '/v1/status?subject=a', {
          headers: junk as Record<string, string>,
          key: null,
        })
        expect([answer.status, answer.body]).toEqual([401, refusal('unauthorized')])
      }),
      { numRuns: 200 },
    )
  })
})
