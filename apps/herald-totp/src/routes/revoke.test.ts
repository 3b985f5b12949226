import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openApp, refusal, type App } from '../../test/app-harness.ts'

let app: App

beforeEach(async () => {
  app = await openApp()
})

afterEach(async () => {
  await app.close()
})

describe('POST /v1/revoke', () => {
  it('removes credentials, backup codes and pending enrolments', async () => {
    const { body: pending } = await app.post('/v1/enroll/start', { subject: 'alice' })
    const alice = await app.enrol('alice')
    const { status, body } = await app.post('/v1/revoke', { subject: 'alice' })
    expect([status, body]).toEqual([200, { ok: true, subject: 'alice' }])
    for (const code of [alice.code(0), alice.backupCodes[0]!])
      expect((await app.post('/v1/verify', { subject: 'alice', code })).status).toBe(401)
    const late = await app.post('/v1/enroll/confirm', { enroll_id: pending['enroll_id'], code: '123456' })
    expect(late.body).toMatchObject(refusal('expired'))
    expect((await app.status('alice')).body['totp_enabled']).toBe(false)
  })

  it('is ok when there was nothing', async () => {
    expect((await app.post('/v1/revoke', { subject: 'nobody' })).body).toEqual({
      ok: true,
      subject: 'nobody',
    })
  })

  it.each([
    { subject: 'alice', label: 'x' },
    { subject: 'alice', code: '123456' },
    { subject: 'alice', unknown: 1 },
    { subject: null },
    { subject: '' },
    {},
  ])('refuses %j and removes nothing', async (request) => {
    await app.enrol('alice')
    const { status, body } = await app.post('/v1/revoke', request)
    expect([status, body]).toEqual([400, refusal('invalid_request')])
    expect((await app.status('alice')).body['totp_enabled']).toBe(true)
  })

  it('deletes nothing a second time for a repeated v1 signature, and gives the first answer again', async () => {
    await app.enrol('alice')
    const request = { subject: 'alice' }
    const options = { headers: app.sign(request), key: null }
    const first = await app.post('/v1/revoke', request, options)
    await app.enrol('alice')
    const second = await app.post('/v1/revoke', request, options)
    expect([second.status, second.body]).toEqual([first.status, first.body])
    expect((await app.status('alice')).body['totp_enabled']).toBe(true)
    app.clock.advance(1)
    await app.post('/v1/revoke', request, { headers: app.sign(request), key: null })
    expect((await app.status('alice')).body['totp_enabled']).toBe(false)
  })

  it('does nothing with a body that was signed for another call', async () => {
    await app.enrol('alice')
    const request = { subject: 'alice', label: 'Alice' }
    const { status } = await app.post('/v1/revoke', request, { headers: app.sign(request), key: null })
    expect(status).toBe(400)
    expect((await app.status('alice')).body['totp_enabled']).toBe(true)
  })
})
