import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminApiKey, apiKey, openApp, refusal, type App } from '../../test/app-harness.ts'

let app: App

beforeEach(async () => {
  app = await openApp({ TRUSTED_PROXIES: '127.0.0.1', RATE_LIMIT_PER_IP: '1' })
})

afterEach(async () => {
  await app.close()
})

const paths = ['/v1/enroll/start', '/v1/unlock', '/v1/revoke'] as const
const pairs = paths.flatMap((first) =>
  paths.filter((other) => other !== first).map((other) => [first, other] as const),
)
const request = { subject: 'alice' }

/** Sends the same signed bytes to a path, with the administrator's key where only that may pass. */
function createSigned() {
  const headers = app.sign(request)
  return (
    path: string,
    more: { key?: string | null; peer?: string; headers?: Record<string, string> } = {},
  ) =>
    app.post(path, request, {
      key: path === '/v1/unlock' ? adminApiKey : null,
      ...more,
      headers: { ...headers, ...more.headers },
    })
}

const isEnrolled = async () => (await app.status('alice')).body['totp_enabled']

describe('a signed body that fits several routes', () => {
  it.each(pairs)('does nothing on another route: first %s, then %s', async (first, other) => {
    await app.enrol('alice')
    const send = createSigned()
    const { status } = await send(first)
    expect(status).toBe(first === '/v1/enroll/start' ? 409 : 200)
    if (first === '/v1/revoke') await app.enrol('alice')
    const replayed = await send(other)
    const unsigned = await app.post(other, request, { key: 'wrong' })
    expect([replayed.status, replayed.body]).toEqual([401, refusal('unauthorized')])
    expect({ ...replayed.body, request_id: '' }).toEqual({ ...unsigned.body, request_id: '' })
    expect(await isEnrolled()).toBe(true)
  })

  it('hands out no secret of an enrolment that nobody asked for', async () => {
    const send = createSigned()
    await send('/v1/revoke')
    expect((await send('/v1/enroll/start')).text).not.toContain('otpauth')
  })

  it('stays bound to the route that refused it for want of the right to use it', async () => {
    await app.enrol('alice')
    const send = createSigned()
    expect((await send('/v1/unlock', { key: apiKey })).status).toBe(403)
    expect((await send('/v1/revoke')).status).toBe(401)
    expect(await isEnrolled()).toBe(true)
  })

  it('stays bound to the start that the limit of an address refused', async () => {
    await app.enrol('alice')
    const proxied = { peer: '127.0.0.1', headers: { 'X-Client-IP': '192.0.2.1' } }
    await app.post('/v1/enroll/start', { subject: 'bob' }, proxied)
    const send = createSigned()
    expect((await send('/v1/enroll/start', proxied)).status).toBe(429)
    expect((await send('/v1/revoke')).status).toBe(401)
    expect(await isEnrolled()).toBe(true)
  })

  it('may be repeated on its own route', async () => {
    for (const path of paths) {
      const send = createSigned()
      const answers = [await send(path), await send(path)]
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      app.clock.advance(1)
    }
  })

  it('is good for another route with the timestamp of the next second', async () => {
    await createSigned()('/v1/enroll/start')
    app.clock.advance(1)
    expect((await createSigned()('/v1/revoke')).status).toBe(200)
  })

  it('is bound for longer than its signature is good', async () => {
    await app.enrol('alice')
    const ahead = createSigned()
    app.clock.advance(-300)
    await ahead('/v1/enroll/start')
    app.clock.advance(600)
    expect((await ahead('/v1/revoke')).status).toBe(401)
    expect(await isEnrolled()).toBe(true)
  })

  it('is in the trail with the key of the administrator that stood beside its signature', async () => {
    expect((await createSigned()('/v1/unlock')).status).toBe(200)
    const unlocked = '"event":"unlocked",.*"caller":"stargate".*"key_id":"default","api_key_id":"admin"'
    expect(app.log()).toMatch(new RegExp(unlocked))
  })

  it('is counted, and in the trail, when it comes to another route', async () => {
    const send = createSigned()
    await send('/v1/enroll/start')
    await send('/v1/revoke')
    expect(await app.metrics()).toMatch(/auth_failures_total\{reason="other_route",[^}]*\} 1/)
    expect(app.log()).toMatch(/"audit":1.*"event":"auth_refused","reason":"other_route","caller":"stargate"/)
  })
})
