import { createAuthenticator, createSigner, type SignedRequest } from '@herald/auth'
import { describe, expect, it } from 'vitest'
import { createTestApp, jsonRequest, principal } from './app.fixture.ts'

describe('authenticate', () => {
  it('hands the authenticator what was sent, undecoded', async () => {
    const seen: SignedRequest[] = []
    const { app } = createTestApp({
      authenticator: (request) => {
        seen.push(request)
        return { ok: true, principal }
      },
    })
    const socket = { remoteAddress: '10.1.2.3' }
    await app.request(
      '/v1/status?subject=a+b%20c&x',
      {},
      { incoming: { socket, url: '/v1/status?subject=a+b%20c&x' } },
    )
    await app.request('/v1/echo', jsonRequest('{"subject":"é"}'))
    const [get, post] = seen
    expect(get).toMatchObject({
      method: 'GET',
      path: '/v1/status',
      query: 'subject=a+b%20c&x',
      remoteAddress: '10.1.2.3',
    })
    expect(get?.body).toHaveLength(0)
    expect(post).toMatchObject({ method: 'POST', path: '/v1/echo', query: '' })
    expect(Buffer.from(post?.body ?? []).toString()).toBe('{"subject":"é"}')
    expect(post?.headers('X-API-KEY')).toBe('right')
    expect([...(post?.headerNames() ?? [])]).toContain('x-api-key')
    expect(post?.remoteAddress).toBeUndefined()
  })

  it('lets in what the real authenticator lets in, on the bytes of the body', async () => {
    const secret = 'a secret of sufficient length for all'
    const now = () => 1_700_000_000_000
    const authenticator = createAuthenticator({
      hmacSecret: secret,
      scopes: ['totp:verify'],
      adminScopes: [],
      now,
    })
    const { app } = createTestApp({ authenticator })
    const sign = createSigner({ secret, service: 'stargate', now })
    const body = '{"subject":"a"}'
    const signed = await app.request('/v1/echo', jsonRequest(body, sign(Buffer.from(body))))
    const changed = await app.request('/v1/echo', jsonRequest(`${body} `, sign(Buffer.from(body))))
    expect([signed.status, changed.status]).toEqual([200, 401])
  })

  it('answers everything under /v1 with one identical 401, and counts why', async () => {
    const { app, metrics } = createTestApp()
    const bodies = []
    for (const path of ['/v1/echo', '/v1/nothing', '/v1/status']) {
      const response = await app.request(path, {
        method: 'POST',
        headers: { 'X-Request-Id': 'same' },
        body: '{',
      })
      expect(response.status).toBe(401)
      bodies.push(await response.text())
    }
    expect(new Set(bodies).size).toBe(1)
    expect(await metrics.registry.metrics()).toMatch(/auth_failures_total\{reason="bad_key".*\} 3/)
  })

  it('comes before the form of the body is judged', async () => {
    const { app } = createTestApp()
    const headers = { 'Content-Type': 'text/plain', 'X-API-Key': 'wrong' }
    expect((await app.request('/v1/echo', { method: 'POST', headers, body: '{' })).status).toBe(401)
  })
})

describe('a nonce', () => {
  const nonce = { name: 'n', ttlSeconds: 180 }
  const authenticator = () => ({ ok: true, principal, nonce }) as const

  it('is spent before the request does anything, and lets it pass once', async () => {
    const spent = new Set<string>()
    const { app, metrics } = createTestApp({
      authenticator,
      spendNonce: ({ name }) => Promise.resolve(!spent.has(name) && spent.add(name).size > 0),
    })
    const statuses = []
    for (let turn = 0; turn < 2; turn += 1)
      statuses.push((await app.request('/v1/allowed', jsonRequest({}))).status)
    expect(statuses).toEqual([200, 401])
    expect(await metrics.registry.metrics()).toMatch(/auth_failures_total\{reason="replayed".*\} 1/)
  })

  it('that the store cannot tell about is 503', async () => {
    const { app } = createTestApp({
      authenticator,
      spendNonce: () => Promise.reject(Object.assign(new Error('down'), { code: 'STORE_UNAVAILABLE' })),
    })
    expect((await app.request('/v1/allowed', jsonRequest({}))).status).toBe(503)
  })

  it('is asked of nobody who brings none', async () => {
    const { app } = createTestApp({ spendNonce: () => Promise.reject(new Error('was asked')) })
    expect((await app.request('/v1/allowed', jsonRequest({}))).status).toBe(200)
    expect((await app.request('/v1/allowed', jsonRequest({}, { 'X-API-Key': 'wrong' }))).status).toBe(401)
  })
})

describe('requireScope', () => {
  const { app } = createTestApp()

  it('is 403 without the scope', async () => {
    expect((await app.request('/v1/admin', jsonRequest({}))).status).toBe(403)
    expect((await app.request('/v1/allowed', jsonRequest({}))).status).toBe(200)
  })
})
