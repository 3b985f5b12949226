import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { apiKey, authenticatorOf, hmacSecret, nowMs, requestOf } from './request.fixture.ts'

// Built here by hand, not by our signer, as the callers in use put their requests together.

/** The Go client of herald-totp: 0.x never sends a key id, 1.x does when it is given one. */
function goClient(options: { apiKey?: string; hmacSecret?: string; hmacKeyId?: string; service?: string }) {
  return (body?: string): Record<string, string> => {
    const { service = 'stargate' } = options
    const headers: Record<string, string> = {}
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    if (options.apiKey !== undefined) headers['X-Api-Key'] = options.apiKey
    if (options.hmacSecret !== undefined) {
      const timestamp = String(Math.floor(nowMs / 1000))
      const message = `${timestamp}:${service}:${body ?? ''}`
      headers['X-Timestamp'] = timestamp
      headers['X-Service'] = service
      headers['X-Signature'] = createHmac('sha256', options.hmacSecret).update(message).digest('hex')
      if (options.hmacKeyId !== undefined) headers['X-Key-Id'] = options.hmacKeyId
    }
    return headers
  }
}

const body = String.raw`{"subject":"ann\u0026bob@example.com","code":"123456"}`
const post = (headers: Record<string, string>) => requestOf(headers, { body: Buffer.from(body) })
const status = (headers: Record<string, string>) =>
  requestOf(headers, { method: 'GET', path: '/v1/status', query: 'subject=ann%26bob%40example.com' })

describe('callers of both generations', () => {
  const both = authenticatorOf({ apiKey, hmacSecret })
  const map = (ids: string[]) =>
    authenticatorOf({ hmacKeys: new Map(ids.map((id) => [id, { secret: `secret of ${id}` }])) })

  it('0.x: API key and signature on one request, without a key id', () => {
    const sign = goClient({ apiKey, hmacSecret })
    expect(both(post(sign(body)))).toMatchObject({
      ok: true,
      principal: { service: 'stargate', keyId: 'default', scheme: 'hmac-v1' },
    })
    expect(both(status(sign()))).toMatchObject({
      ok: true,
      principal: { service: 'stargate', scheme: 'hmac-v1' },
    })
  })

  it('0.x: API key alone', () => {
    expect(both(post(goClient({ apiKey })(body)))).toMatchObject({
      ok: true,
      principal: { keyId: 'legacy', scheme: 'api-key' },
    })
  })

  it('1.x: a signature with a key id, on the single secret and on a map', () => {
    const onSecret = goClient({ apiKey, hmacSecret, hmacKeyId: 'primary' })
    expect(both(post(onSecret(body)))).toMatchObject({ ok: true, principal: { keyId: 'default' } })
    const onMap = goClient({ hmacSecret: 'secret of primary', hmacKeyId: 'primary' })
    expect(map(['primary'])(post(onMap(body)))).toMatchObject({ ok: true, principal: { keyId: 'primary' } })
    expect(map(['primary'])(status(onMap()))).toMatchObject({ ok: true, principal: { keyId: 'primary' } })
  })

  it('a whole rotation passes without one refused request, with and without key ids', () => {
    const withoutId = {
      old: goClient({ hmacSecret: 'secret of old' }),
      new: goClient({ hmacSecret: 'secret of new' }),
    }
    const withId = {
      old: goClient({ hmacSecret: 'secret of old', hmacKeyId: 'old' }),
      new: goClient({ hmacSecret: 'secret of new', hmacKeyId: 'new' }),
    }
    for (const client of [withoutId, withId]) {
      expect(map(['old'])(post(client.old(body)))).toMatchObject({ ok: true, principal: { keyId: 'old' } })
      expect(map(['old', 'new'])(post(client.old(body)))).toMatchObject({
        ok: true,
        principal: { keyId: 'old' },
      })
      expect(map(['old', 'new'])(post(client.new(body)))).toMatchObject({
        ok: true,
        principal: { keyId: 'new' },
      })
      expect(map(['new'])(post(client.new(body)))).toMatchObject({ ok: true, principal: { keyId: 'new' } })
      expect(map(['new'])(post(client.old(body)))).toMatchObject({ ok: false })
    }
  })

  it('a client that was given no service sends an empty one and signs it', () => {
    const sign = goClient({ hmacSecret, service: '' })
    expect(both(post(sign(body)))).toMatchObject({ ok: true, principal: { service: 'hmac-v1:default' } })
    const { 'X-Service': _none, ...withoutService } = sign(body)
    expect(both(post(withoutService))).toMatchObject({ ok: true, principal: { service: 'hmac-v1:default' } })
  })

  it("Herald 0.9's mail provider: no credential at all, let in by its address", () => {
    const mail = authenticatorOf({ apiKey, allowNoAuthFrom: (address) => address === '127.0.0.1' })
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'ch_1' }
    const send = requestOf(headers, { path: '/v1/send', remoteAddress: '127.0.0.1' })
    expect(mail(send)).toMatchObject({ ok: true, principal: { scheme: 'anonymous', scopes: ['smtp:send'] } })
  })

  it("Herald 1.x's mail provider: the API key", () => {
    const mail = authenticatorOf({ apiKey, scopes: ['smtp:send', 'smtp:read'] })
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'ch_1', 'X-API-Key': apiKey }
    expect(mail(requestOf(headers, { path: '/v1/send' }))).toMatchObject({
      ok: true,
      principal: { keyId: 'legacy', scopes: ['smtp:send', 'smtp:read'] },
    })
  })
})
