import { describe, expect, it } from 'vitest'
import type { HmacKeySettings } from './hmac-keys.ts'
import { authenticatorOf, hmacKeysOf, hmacSecret, nowMs, requestOf, signatureOf } from './request.fixture.ts'
import type { SignedRequest } from './scheme.ts'
import { createSignerV2 } from './signature-v2.ts'

const body = '{"subject":"alice"}'
const keys = hmacKeysOf({ k1: 'secret of k1', k2: 'secret of k2' })
const auth = authenticatorOf({ hmacKeys: keys })

type Target = { method?: string; path?: string; query?: string; body?: string }

/** A v2 request as its caller sends it; `headers` replace what was signed. */
function signed(
  how: { secret?: string; keyId?: string; service?: string; offsetSeconds?: number } & Target = {},
  headers: Record<string, string> = {},
  sent: Target = {},
): SignedRequest {
  const { secret = 'secret of k1', keyId = 'k1', service = 'stargate', offsetSeconds = 0 } = how
  const sign = createSignerV2({
    secret,
    service,
    keyId,
    now: () => nowMs + offsetSeconds * 1000,
    randomBytes: (size) => Buffer.alloc(size, 7),
  })
  const target = { method: 'POST', path: '/v1/verify', query: '', body, ...how }
  const { method, path, query, ...rest } = { ...target, ...sent }
  const made = sign({ ...target, body: Buffer.from(target.body) })
  return requestOf({ ...made, ...headers }, { method, path, query, body: Buffer.from(rest.body) })
}

const detailOf = (request: SignedRequest, by = auth) => {
  const result = by(request)
  return result.ok ? 'ok' : result.detail
}
const withKey = (settings: Partial<HmacKeySettings>) =>
  authenticatorOf({ hmacKeys: hmacKeysOf({ k1: { secret: 'secret of k1', ...settings } }) })

describe('an HMAC v2 request', () => {
  it('proves its service and key, and carries a nonce to spend', () => {
    const result = auth(signed())
    expect(result).toEqual({
      ok: true,
      principal: {
        service: 'stargate',
        keyId: 'k1',
        scheme: 'hmac-v2',
        scopes: ['totp:verify', 'totp:status'],
      },
      nonce: { name: expect.stringMatching(/^[\w-]{43}$/) as string, ttlSeconds: 180 },
    })
  })

  it('is good for the method, path, query and body that were signed, and for no other', () => {
    const target = { method: 'GET', path: '/v1/status', query: 'a=1&b=2', body: '' }
    expect(detailOf(signed(target))).toBe('ok')
    for (const sent of [
      { method: 'POST' },
      { path: '/v1/revoke' },
      { query: 'b=2&a=1' },
      { query: 'a=1&b=2&' },
      { body: 'x' },
    ]) {
      expect(detailOf(signed(target, {}, sent))).toBe('bad_signature')
    }
  })

  it.each([
    ['X-Signature', ['', 'AB'.repeat(32), '0'.repeat(63)]],
    ['X-Timestamp', ['', '1e9', '+1700000000', '1700000000000000', '1700000000,1700000000']],
    ['X-Nonce', ['', 'a b', 'a,b', 'a\nb', 'ä', 'x'.repeat(129)]],
    ['X-Service', ['', 'a:b', 'a,b', 'a\nb']],
    ['X-Key-Id', ['a,b', 'a b', 'a\nb', 'x'.repeat(65)]],
    ['X-Signature-Version', ['V2', 'v2,v2', 'v3', '']],
  ])('is refused for a malformed %s', (name, values) => {
    for (const value of values) expect(detailOf(signed({}, { [name]: value }))).toBe('malformed')
  })

  it('holds for its drift either way, inclusive, and no longer', () => {
    for (const offsetSeconds of [-60, 0, 60]) expect(detailOf(signed({ offsetSeconds }))).toBe('ok')
    for (const offsetSeconds of [-61, 61]) expect(detailOf(signed({ offsetSeconds }))).toBe('window')
    const narrow = authenticatorOf({ hmacKeys: keys, hmacMaxDriftSeconds: 5 })
    expect(detailOf(signed({ offsetSeconds: 6 }), narrow)).toBe('window')
    expect(narrow(signed())).toMatchObject({ nonce: { ttlSeconds: 70 } })
  })

  it('names the nonce of another key, service or key id otherwise, and never by itself', () => {
    const nameOf = (request: SignedRequest, by = auth) => {
      const result = by(request)
      return result.ok ? result.nonce?.name : undefined
    }
    const names = [
      nameOf(signed()),
      nameOf(signed({ service: 'other' })),
      nameOf(signed({ keyId: 'k2', secret: 'secret of k2' })),
      nameOf(signed({ secret: hmacSecret, keyId: 'x' }), authenticatorOf({ hmacSecret })),
    ]
    expect(new Set(names).size).toBe(names.length)
    expect(nameOf(signed({ offsetSeconds: 1 }))).toBe(names[0])
    expect(names.join()).not.toContain('0707')
  })

  it('needs a key id, unless one is pinned', () => {
    const pinned = authenticatorOf({ hmacKeys: keys, hmacDefaultKeyId: 'k1' })
    expect(detailOf(signed({ keyId: '' }))).toBe('unknown_key_id')
    expect(detailOf(signed({ keyId: '' }), pinned)).toBe('ok')
    expect(detailOf(signed({ keyId: '', secret: 'secret of k2' }), pinned)).toBe('bad_signature')
    expect(detailOf(signed({ keyId: 'k9' }))).toBe('unknown_key_id')
  })
})

describe('the settings of an HMAC key', () => {
  const v1 = (keyId?: string) =>
    requestOf(signatureOf(body, { secret: 'secret of k1', ...(keyId === undefined ? {} : { keyId }) }), {
      body: Buffer.from(body),
    })

  it('bind it to a service, in either version', () => {
    const bound = withKey({ service: 'other' })
    for (const request of [signed(), v1('k1'), v1()]) expect(detailOf(request, bound)).toBe('wrong_service')
    const right = withKey({ service: 'stargate' })
    for (const request of [signed(), v1('k1'), v1()]) expect(detailOf(request, right)).toBe('ok')
  })

  it('give it scopes of its own', () => {
    const scoped = withKey({ scopes: ['totp:status'] })
    for (const request of [signed(), v1()]) {
      expect(scoped(request)).toMatchObject({ ok: true, principal: { scopes: ['totp:status'] } })
    }
  })

  it('say from when until when it counts', () => {
    for (const settings of [{ notBefore: nowMs + 1 }, { notAfter: nowMs }]) {
      for (const request of [signed(), v1('k1'), v1()])
        expect(detailOf(request, withKey(settings))).toBe('inactive_key')
    }
    const now = withKey({ notBefore: nowMs, notAfter: nowMs + 1 })
    for (const request of [signed(), v1('k1'), v1()]) expect(detailOf(request, now)).toBe('ok')
  })

  it('end v1 for it, at once or at a time, and leave v2', () => {
    for (const settings of [{ minVersion: 2 as const }, { v1Until: nowMs }]) {
      expect(detailOf(v1('k1'), withKey(settings))).toBe('version')
      expect(detailOf(v1(), withKey(settings))).toBe('version')
      expect(detailOf(signed(), withKey(settings))).toBe('ok')
    }
    expect(detailOf(v1(), withKey({ v1Until: nowMs + 1 }))).toBe('ok')
  })

  it('keep a key that is out of use from those that v1 without an id is tried with', () => {
    const rotating = authenticatorOf({
      hmacKeys: hmacKeysOf({ k1: { secret: 'secret of k1', notAfter: nowMs }, k2: 'secret of k2' }),
    })
    expect(detailOf(v1(), rotating)).toBe('bad_signature')
  })
})
