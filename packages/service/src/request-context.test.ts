import { describe, expect, it } from 'vitest'
import { createTestApp, jsonRequest } from './app.fixture.ts'

describe('every answer', () => {
  const { app } = createTestApp()

  it.each([
    ['GET', '/livez', 200],
    ['HEAD', '/livez', 200],
    ['HEAD', '/readyz', 200],
    ['GET', '/metrics', 200],
    ['GET', '/nothing', 404],
    ['POST', '/livez', 405],
    ['POST', '/v1/echo', 401],
    ['OPTIONS', '/v1/echo', 401],
    ['GET', '/v1/nothing', 401],
  ])('%s %s is %i with the security headers, and invites no other origin', async (method, path, status) => {
    const response = await app.request(path, { method, headers: { Origin: 'https://evil.example' } })
    expect(response.status).toBe(status)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    if (method === 'HEAD') expect(await response.text()).toBe('')
  })

  it.each(['/v1/fault', '/v1/down'])('has them after a fault too: %s', async (path) => {
    const response = await app.request(path, jsonRequest({}))
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('x-request-id')).toBeTruthy()
  })
})

describe('the request id', () => {
  const { app } = createTestApp()
  const idFor = async (stated?: string) => {
    const response = await app.request(
      '/livez',
      stated === undefined ? {} : { headers: { 'X-Request-Id': stated } },
    )
    return response.headers.get('x-request-id')
  }

  it('of the caller is kept when it is harmless', async () => {
    expect(await idFor('req-1_A.b')).toBe('req-1_A.b')
  })

  it.each(['', 'a b', 'a"b', 'x'.repeat(65), 'é'])('of the caller is replaced: %j', async (stated) => {
    expect(await idFor(stated)).toMatch(/^[A-Za-z0-9_-]{16}$/)
  })

  it('is another one each time', async () => {
    expect(await idFor()).not.toBe(await idFor())
  })

  it('stands in a refusal and in its log line', async () => {
    const { app, lines } = createTestApp()
    const response = await app.request('/v1/echo', jsonRequest('{', { 'X-Request-Id': 'abc' }))
    expect(await response.json()).toMatchObject({ request_id: 'abc' })
    expect(lines.map((line) => line['request_id'])).toEqual(['abc'])
  })
})

describe('the log line of a request', () => {
  it('names route, status, caller and reason', async () => {
    const { app, lines } = createTestApp()
    await app.request('/v1/messages/m-1', { headers: { 'X-API-Key': 'right' } })
    await app.request('/v1/echo', jsonRequest({ subject: '' }))
    await app.request('/v1/echo', { method: 'POST' })
    expect(lines).toMatchObject([
      {
        route: '/v1/messages/:id',
        method: 'GET',
        status: 200,
        service: 'stargate',
        key_id: 'k1',
        level: 'info',
      },
      { route: '/v1/echo', status: 400, reason: 'invalid_request', service: 'stargate', msg: 'request' },
      {
        route: '/v1/echo',
        status: 401,
        reason: 'unauthorized',
        auth: 'bad_key',
        service_name: 'herald-test',
      },
    ])
    expect(lines.every((line) => typeof line['duration_ms'] === 'number')).toBe(true)
  })

  it('holds nothing of query, body, path or headers', async () => {
    const { app, text } = createTestApp()
    const secret = 'marker-5e1f'
    await app.request(`/v1/status?subject=${secret}`, { headers: { 'X-API-Key': 'right' } })
    await app.request(`/v1/messages/${secret}`, { headers: { 'X-API-Key': 'right' } })
    await app.request(`/${secret}?${secret}`, { headers: { 'X-API-Key': secret, 'User-Agent': secret } })
    await app.request('/v1/echo', jsonRequest({ subject: secret, [secret]: secret, count: secret }))
    await app.request('/v1/strict', jsonRequest({ subject: 'x', [secret]: secret }))
    expect(text()).not.toContain(secret)
  })
})

describe('the duration metric', () => {
  it('is labelled with the pattern of the route, unknown paths with one word', async () => {
    const { app, metrics } = createTestApp()
    await app.request('/v1/messages/1', { headers: { 'X-API-Key': 'right' } })
    await app.request('/v1/messages/2', { headers: { 'X-API-Key': 'right' } })
    await app.request('/random-1')
    await app.request('/random-2')
    const text = await metrics.registry.metrics()
    const counts = text.split('\n').filter((line) => line.startsWith('http_request_duration_seconds_count'))
    expect(counts).toHaveLength(2)
    expect(counts.join('\n')).toMatch(/route="\/v1\/messages\/:id".* 2\n.*route="unmatched".* 2/)
  })
})
