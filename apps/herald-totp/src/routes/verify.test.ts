import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminApiKey, openApp, refusal, type App } from '../../test/app-harness.ts'

let app: App

beforeEach(async () => {
  app = await openApp()
})

afterEach(async () => {
  await app.close()
})

const verify = (request: object) => app.post('/v1/verify', request)

describe('POST /v1/verify', () => {
  it('answers who was verified, how and when', async () => {
    const alice = await app.enrol('alice')
    const { status, body } = await verify({ subject: 'alice', code: alice.code(0) })
    expect(status).toBe(200)
    expect(body).toEqual({
      ok: true,
      subject: 'alice',
      amr: ['totp'],
      issued_at: app.clock.now() / 1000,
      method: 'totp',
      credential_id: alice.body['credential_id'],
      backup_codes_remaining: 10,
    })
  })

  it('answers a backup code with amr totp and backup_code', async () => {
    const alice = await app.enrol('alice')
    const { body } = await verify({ subject: 'alice', code: alice.backupCodes[3]!.toLowerCase() })
    expect(body).toEqual({
      ok: true,
      subject: 'alice',
      amr: ['totp', 'backup_code'],
      issued_at: app.clock.now() / 1000,
      method: 'backup_code',
      backup_codes_remaining: 9,
    })
  })

  it('echoes the subject exactly and keeps its Unicode forms apart', async () => {
    const composed = await app.enrol('Zo\u00eb')
    expect((await app.status('Zoe\u0308')).body['totp_enabled']).toBe(false)
    const { body } = await verify({ subject: 'Zo\u00eb', code: composed.code(0) })
    expect(body['subject']).toBe('Zo\u00eb')
  })

  it('tells wrong, replayed and waiting apart by status and reason', async () => {
    const alice = await app.enrol('alice')
    const wrong = await verify({ subject: 'alice', code: alice.wrong() })
    expect([wrong.status, wrong.body]).toEqual([401, refusal('invalid')])
    const replayed = await verify({ subject: 'alice', code: alice.code(-1) })
    expect([replayed.status, replayed.body]).toEqual([400, refusal('replay')])
    for (let n = 1; n < 5; n += 1) await verify({ subject: 'alice', code: alice.wrong(n) })
    const waiting = await verify({ subject: 'alice', code: alice.code(0) })
    expect([waiting.status, waiting.body]).toEqual([
      429,
      { ...refusal('rate_limited'), retry_after_seconds: 30 },
    ])
    expect(waiting.headers.get('retry-after')).toBe('30')
  })

  it.each([
    { code: '123456' },
    { subject: 'alice' },
    { subject: 'alice', code: '' },
    { subject: 'alice', code: 123_456 },
    { subject: 'alice', code: ['123456'] },
    { subject: 'alice', code: '1'.repeat(65) },
    { subject: 'alice', code: '123456', challenge_id: null },
    { subject: 'alice', code: '123456', challenge_id: '' },
    { subject: 'alice', code: '123456', challenge_id: 'c'.repeat(257) },
    { subject: 'x'.repeat(257), code: '123456' },
  ])('refuses %j', async (request) => {
    const { status, body } = await verify(request)
    expect([status, body]).toEqual([400, refusal('invalid_request')])
  })

  it('counts results by what decided them', async () => {
    const alice = await app.enrol('alice')
    const codes = [alice.code(0), alice.code(0), alice.backupCodes[0]!]
    for (const code of [...codes, ...Array.from({ length: 6 }, (_, n) => alice.wrong(n))])
      await verify({ subject: 'alice', code })
    const metrics = await app.metrics()
    const counted = (result: string, reason: string) =>
      new RegExp(`herald_totp_verify_total\\{result="${result}",reason="${reason}",[^}]*\\} (\\d+)`).exec(
        metrics,
      )?.[1]
    expect(counted('success', 'totp')).toBe('1')
    expect(counted('success', 'backup_code')).toBe('1')
    expect(counted('failure', 'replay')).toBe('1')
    expect(counted('failure', 'invalid')).toBe('5')
    expect(counted('failure', 'rate_limited')).toBe('1')
  })

  it('writes neither codes nor secrets nor subjects to the log', async () => {
    const alice = await app.enrol('alice-in-the-log')
    const codes = [alice.code(0), alice.wrong(), alice.backupCodes[0]!]
    for (const code of codes) await verify({ subject: 'alice-in-the-log', code })
    for (const hidden of [...codes, ...alice.backupCodes, 'alice-in-the-log'])
      expect(app.log()).not.toContain(hidden)
  })
})

describe('POST /v1/unlock', () => {
  it('lets a locked subject verify again', async () => {
    await app.close()
    app = await openApp({ LOCK_AFTER_FAILURES: '5' })
    const alice = await app.enrol('alice')
    for (let n = 0; n < 5; n += 1) await verify({ subject: 'alice', code: alice.wrong(n) })
    const locked = await verify({ subject: 'alice', code: alice.code(0) })
    expect([locked.status, locked.headers.get('retry-after')]).toEqual([429, '3600'])
    expect((await app.status('alice')).body['locked_until']).toBeGreaterThan(app.clock.now() / 1000)
    const unlocked = await app.post('/v1/unlock', { subject: 'alice' }, { key: adminApiKey })
    expect([unlocked.status, unlocked.body]).toEqual([200, { ok: true, subject: 'alice' }])
    expect((await verify({ subject: 'alice', code: alice.code(0) })).status).toBe(200)
    expect((await app.status('alice')).body).not.toHaveProperty('locked_until')
  })

  it('is forbidden to callers, signed or not', async () => {
    for (const headers of [{}, app.sign({ subject: 'alice' })]) {
      const { status, body } = await app.post('/v1/unlock', { subject: 'alice' }, { headers })
      expect([status, body]).toEqual([403, refusal('forbidden')])
    }
  })
})
