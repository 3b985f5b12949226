import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openApp, refusal, type App } from '../../test/app-harness.ts'

let app: App

beforeEach(async () => {
  app = await openApp()
})

afterEach(async () => {
  await app.close()
})

const get = (query: string) => app.call('GET', `/v1/status${query}`)

describe('GET /v1/status', () => {
  it('describes what an enrolled subject has', async () => {
    const { body: enrolled } = await app.enrol('alice')
    const createdAt = app.clock.now() / 1000
    const credential = {
      credential_id: enrolled['credential_id'],
      label: 'alice',
      algorithm: 'SHA1',
      digits: 6,
      period: 30,
      created_at: createdAt,
    }
    const { status, body } = await app.status('alice')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      subject: 'alice',
      totp_enabled: true,
      credentials: [credential],
      backup_codes_remaining: 10,
    })
  })

  it('says when a credential was last used', async () => {
    const alice = await app.enrol('alice')
    app.clock.advance(90)
    await app.post('/v1/verify', { subject: 'alice', code: alice.code(0) })
    expect((await app.status('alice')).body).toMatchObject({
      credentials: [{ last_used_at: app.clock.now() / 1000 }],
    })
  })

  it('is false for an unknown and for a pending subject', async () => {
    await app.post('/v1/enroll/start', { subject: 'alice' })
    for (const subject of ['alice', 'nobody'])
      expect((await app.status(subject)).body).toEqual({
        subject,
        totp_enabled: false,
        credentials: [],
        backup_codes_remaining: 0,
      })
  })

  it('reads + as a blank', async () => {
    expect((await get('?subject=a+b')).body['subject']).toBe('a b')
    expect((await get('?subject=a%2Bb')).body['subject']).toBe('a+b')
  })

  it.each([
    '',
    '?',
    '?subject=',
    '?subject',
    '?Subject=a',
    '?subject=a&subject=b',
    '?subject=a&subject=a',
    '?subject=%',
    '?subject=%zz',
    '?subject=%ff',
    '?subject=%ed%a0%80',
    `?subject=${'a'.repeat(257)}`,
  ])('refuses %j', async (query) => {
    const { status, body } = await get(query)
    expect([status, body]).toEqual([400, refusal('invalid_request')])
  })
})
