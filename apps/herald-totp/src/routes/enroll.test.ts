import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openApp, refusal, type App } from '../../test/app-harness.ts'

let app: App

beforeEach(async () => {
  app = await openApp()
})

afterEach(async () => {
  await app.close()
})

const startPath = '/v1/enroll/start'
const confirmPath = '/v1/enroll/confirm'

describe('POST /v1/enroll/start', () => {
  it('answers id, secret, key URI and expiry', async () => {
    const { status, body } = await app.post(startPath, { subject: 'alice', label: 'alice@example.com' })
    expect(status).toBe(200)
    expect(body).toEqual({
      enroll_id: expect.stringMatching(/^e_[\w-]{44}$/),
      secret_base32: expect.stringMatching(/^[A-Z2-7]{32}$/),
      otpauth_uri: `otpauth://totp/Herald:alice%40example.com?algorithm=SHA1&digits=6&issuer=Herald&period=30&secret=${String(body['secret_base32'])}`,
      expires_at: app.clock.now() / 1000 + 600,
    })
  })

  it.each([
    ['svg', /^data:image\/svg\+xml;base64,/],
    ['png', /^data:image\/png;base64,/],
  ])('draws the key URI as %s when asked to', async (qr, shape) => {
    const { body } = await app.post(startPath, { subject: 'alice', qr })
    expect(body['qr']).toMatch(shape)
  })

  it('labels with the subject when the label is empty or absent', async () => {
    for (const extra of [{}, { label: '' }]) {
      const { body } = await app.post(startPath, { subject: 'alice', ...extra })
      expect(body['otpauth_uri']).toContain('/Herald:alice?')
    }
  })

  it.each(['code', 'enroll_id', 'challenge_id'])('refuses %s, a field of another call', async (field) => {
    const { status, body } = await app.post(startPath, { subject: 'alice', [field]: 'x' })
    expect([status, body]).toEqual([400, refusal('invalid_request')])
  })

  it.each([
    { subject: null },
    { subject: '' },
    { subject: 7 },
    { subject: ['alice'] },
    { Subject: 'alice' },
    { subject: 'alice', label: null },
    { subject: 'alice', qr: null },
    { subject: 'alice', qr: 'gif' },
    { subject: 'ä'.repeat(129) },
    { subject: 'alice', label: 'ä'.repeat(65) },
    [],
    null,
    'alice',
  ])('refuses %j', async (request) => {
    const { status, body } = await app.post(startPath, request)
    expect([status, body]).toEqual([400, refusal('invalid_request')])
  })

  it('takes subject and label at their full length', async () => {
    const request = { subject: 'ä'.repeat(128), label: 'ä'.repeat(64) }
    expect((await app.post(startPath, request)).status).toBe(200)
  })

  it('ignores fields it does not know', async () => {
    expect((await app.post(startPath, { subject: 'alice', tenant: { deep: [1] } })).status).toBe(200)
  })

  it('refuses an enrolled subject, whose device goes on working', async () => {
    const alice = await app.enrol('alice')
    const { status, body } = await app.post(startPath, { subject: 'alice' })
    expect([status, body]).toEqual([409, refusal('already_enrolled')])
    expect((await app.post('/v1/verify', { subject: 'alice', code: alice.code(0) })).status).toBe(200)
  })
})

describe('POST /v1/enroll/start within its limits', () => {
  it('starts RATE_LIMIT_PER_SUBJECT times an hour for one subject', async () => {
    await app.close()
    app = await openApp({ RATE_LIMIT_PER_SUBJECT: '2' })
    const statuses = []
    for (let n = 0; n < 3; n += 1) statuses.push((await app.post(startPath, { subject: 'alice' })).status)
    expect(statuses).toEqual([200, 200, 429])
    const { headers, body } = await app.post(startPath, { subject: 'alice' })
    expect(body).toEqual({ ...refusal('rate_limited'), retry_after_seconds: 1800 })
    expect(headers.get('retry-after')).toBe('1800')
  })

  it('starts RATE_LIMIT_PER_IP times a minute for one address that a trusted proxy states', async () => {
    await app.close()
    app = await openApp({ RATE_LIMIT_PER_IP: '2', TRUSTED_PROXIES: '10.0.0.0/8' })
    const startFrom = async (address: string, peer = '10.0.0.1') => {
      const options = { peer, headers: { 'X-Client-IP': address, 'X-Forwarded-For': '198.51.100.9' } }
      return (await app.post(startPath, { subject: 'alice' }, options)).status
    }
    const network = ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:1::3']
    expect([
      await startFrom(network[0]!),
      await startFrom(network[1]!),
      await startFrom(network[2]!),
    ]).toEqual([200, 200, 429])
    expect(await startFrom('2001:db8:0:2::1')).toBe(200)
    expect(await startFrom(network[0]!, '203.0.113.1')).toBe(200)
  })

  it('hides the secret with EXPOSE_SECRET_IN_ENROLL=false', async () => {
    await app.close()
    app = await openApp({ EXPOSE_SECRET_IN_ENROLL: 'false' })
    const { status, body } = await app.post(startPath, { subject: 'alice' })
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('secret_base32')
    expect(body['otpauth_uri']).toContain('secret=')
  })
})

describe('POST /v1/enroll/confirm', () => {
  it('answers subject, ten backup codes and the credential', async () => {
    const { body } = await app.enrol('alice')
    expect(body).toEqual({
      subject: 'alice',
      totp_enabled: true,
      backup_codes: expect.any(Array),
      credential_id: expect.stringMatching(/^c_[\w-]{16}$/),
    })
    expect(new Set(body['backup_codes'] as string[]).size).toBe(10)
  })

  it('tells a wrong code from an enrolment that is not there', async () => {
    const { body: begun } = await app.post(startPath, { subject: 'alice' })
    const wrong = await app.post(confirmPath, { enroll_id: begun['enroll_id'], code: 'x' })
    expect([wrong.status, wrong.body]).toEqual([400, refusal('invalid')])
    for (const enroll_id of ['e_unknown', ' ', 'x'.repeat(10_000), '\u0000', 'ünknown']) {
      const unknown = await app.post(confirmPath, { enroll_id, code: '123456' })
      expect([unknown.status, unknown.body]).toEqual([400, refusal('expired')])
    }
  })

  it.each([
    { code: '123456' },
    { enroll_id: 'e_x' },
    { enroll_id: '', code: '123456' },
    { enroll_id: 'e_x', code: '' },
    { enroll_id: 'e_x', code: 123_456 },
    { enroll_id: 'e_x', code: '1'.repeat(65) },
    { enroll_id: 'e_x', code: '123456', subject: null },
    { enroll_id: null, code: '123456' },
  ])('refuses %j', async (request) => {
    const { status, body } = await app.post(confirmPath, request)
    expect([status, body]).toEqual([400, refusal('invalid_request')])
  })

  it('counts its results', async () => {
    await app.enrol('alice')
    await app.post(confirmPath, { enroll_id: 'e_unknown', code: '123456' })
    const metrics = await app.metrics()
    expect(metrics).toMatch(/herald_totp_enroll_start_total\{[^}]*\} 1\n/)
    expect(metrics).toMatch(/herald_totp_enroll_confirm_total\{result="success",[^}]*\} 1\n/)
    expect(metrics).toMatch(/herald_totp_enroll_confirm_total\{result="failure",[^}]*\} 1\n/)
  })
})
