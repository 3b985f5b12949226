import { describe, expect, it } from 'vitest'
import { createTestApp, jsonRequest } from './app.fixture.ts'

describe('a fault', () => {
  it('is a 500 that says nothing, and is logged once with its cause', async () => {
    const { app, lines } = createTestApp()
    const response = await app.request('/v1/fault', jsonRequest({}))
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('marker')
    expect(lines).toMatchObject([
      {
        level: 'error',
        msg: 'fault',
        err: { message: 'the marker of a fault', cause: { message: 'its cause' } },
      },
      { level: 'info', msg: 'request', status: 500, reason: 'internal_error' },
    ])
    expect(lines[0]?.['request_id']).toBe(lines[1]?.['request_id'])
  })

  it('of the store is a 503', async () => {
    const { app, lines } = createTestApp()
    const response = await app.request('/v1/down', jsonRequest({}))
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ ok: false, reason: 'unavailable' })
    expect(lines.map(({ level }) => level)).toEqual(['error', 'info'])
  })
})

describe('what no route answers', () => {
  const { app } = createTestApp()
  const ask = async (method: string, path: string) => {
    const response = await app.request(path, { method, headers: { 'X-API-Key': 'right' } })
    return [response.status, response.headers.get('allow')]
  }

  it.each([
    ['GET', '/', 404, null],
    ['GET', '/v1/nothing', 404, null],
    ['GET', '/v1/messages', 404, null],
    ['GET', '/v1/echo/', 404, null],
    ['GET', '/v1/echo', 405, 'POST'],
    ['HEAD', '/v1/echo', 405, 'POST'],
    ['PUT', '/v1/messages/1', 405, 'DELETE, GET, HEAD'],
    ['POST', '/livez', 405, 'GET, HEAD'],
  ])('%s %s is %i with Allow %s', async (method, path, status, allow) => {
    expect(await ask(method, path)).toEqual([status, allow])
  })

  it('is answered in the shape of the app', async () => {
    expect(await (await app.request('/nothing')).json()).toMatchObject({ ok: false, reason: 'not_found' })
    expect(await (await app.request('/livez', { method: 'PUT' })).json()).toMatchObject({
      reason: 'method_not_allowed',
    })
  })
})
