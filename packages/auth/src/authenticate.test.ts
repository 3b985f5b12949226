import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  adminApiKey,
  apiKey,
  authenticatorOf,
  hmacKeysOf,
  hmacSecret,
  nowMs,
  requestOf,
  signatureOf,
} from './request.fixture.ts'

const body = '{"subject":"alice","code":"123456"}'
const post = (headers: Record<string, string>) => requestOf(headers, { body: Buffer.from(body) })
const wrongSignature = signatureOf(body, { secret: 'another secret' })

describe('what is presented', () => {
  const both = authenticatorOf({ apiKey, hmacSecret })

  it('lets a right key, a right signature, and both together pass', () => {
    expect(both(post({ 'X-API-Key': apiKey }))).toMatchObject({ ok: true })
    expect(both(post(signatureOf(body)))).toMatchObject({ ok: true })
    expect(both(post({ ...signatureOf(body), 'X-API-Key': apiKey }))).toMatchObject({ ok: true })
  })

  it('refuses a request that presents nothing', () => {
    expect(both(post({}))).toEqual({ ok: false, detail: 'missing' })
    expect(authenticatorOf({})(post({ 'X-API-Key': apiKey, ...signatureOf(body) }))).toEqual({
      ok: false,
      detail: 'missing',
    })
  })

  it('takes any one of three headers for a signature presented', () => {
    for (const name of ['X-Signature', 'X-Timestamp', 'X-Key-Id']) {
      expect(both(post({ 'X-API-Key': apiKey, [name]: '' }))).toEqual({ ok: false, detail: 'malformed' })
      const value = signatureOf(body, { keyId: 'k1' })[name] ?? ''
      expect(both(post({ 'X-API-Key': apiKey, [name]: value }))).toEqual({ ok: false, detail: 'malformed' })
    }
    expect(both(post({ 'X-API-Key': apiKey, 'X-Service': 'stargate' }))).toMatchObject({ ok: true })
  })

  it('ignores a method with nothing configured for it', () => {
    expect(authenticatorOf({ apiKey })(post({ 'X-API-Key': apiKey, ...wrongSignature }))).toMatchObject({
      ok: true,
    })
    expect(authenticatorOf({ hmacSecret })(post({ 'X-API-Key': 'x', ...signatureOf(body) }))).toMatchObject({
      ok: true,
    })
    expect(authenticatorOf({ hmacSecret })(post({ 'X-API-Key': apiKey }))).toEqual({
      ok: false,
      detail: 'missing',
    })
  })

  it('tells logs why, and callers nothing', () => {
    const map = authenticatorOf({ hmacKeys: hmacKeysOf({ k1: hmacSecret }) })
    expect(both(post({ 'X-API-Key': 'x' }))).toEqual({ ok: false, detail: 'bad_key' })
    expect(both(post(wrongSignature))).toEqual({ ok: false, detail: 'bad_signature' })
    expect(both(post(signatureOf(body, { offsetSeconds: -301 })))).toEqual({ ok: false, detail: 'window' })
    expect(map(post(signatureOf(body, { keyId: 'k9' })))).toEqual({ ok: false, detail: 'unknown_key_id' })
  })
})

describe('the principal', () => {
  it('is named by the signature when both methods were right, and tells the other key', () => {
    const both = authenticatorOf({ apiKey, hmacSecret })
    expect(both(post({ ...signatureOf(body), 'X-API-Key': apiKey }))).toEqual({
      ok: true,
      principal: {
        service: 'stargate',
        keyId: 'default',
        apiKeyId: 'legacy',
        scheme: 'hmac-v1',
        scopes: ['totp:verify', 'totp:status'],
        signature: expect.any(Buffer),
      },
    })
  })

  it('has the admin scopes through the admin key alone, beside the ordinary ones', () => {
    const all = authenticatorOf({ apiKey, adminApiKey, hmacSecret })
    const admin = {
      service: 'api-key:admin',
      keyId: 'admin',
      scopes: ['totp:verify', 'totp:status', 'totp:admin'],
    }
    const legacy = { service: 'api-key:legacy', keyId: 'legacy', scopes: ['totp:verify', 'totp:status'] }
    expect(all(post({ 'X-API-Key': adminApiKey }))).toMatchObject({ ok: true, principal: admin })
    expect(all(post({ 'X-API-Key': apiKey }))).toMatchObject({ ok: true, principal: legacy })
    expect(all(post(signatureOf(body)))).toMatchObject({ ok: true, principal: { scopes: legacy.scopes } })
    expect(authenticatorOf({ adminApiKey })(post({ 'X-API-Key': adminApiKey }))).toMatchObject({
      ok: true,
      principal: admin,
    })
  })

  it('loses no right by presenting one credential more', () => {
    const all = authenticatorOf({ adminApiKey, hmacSecret })
    expect(all(post({ ...signatureOf(body), 'X-API-Key': adminApiKey }))).toMatchObject({
      ok: true,
      principal: { service: 'stargate', scopes: ['totp:verify', 'totp:status', 'totp:admin'] },
    })
  })

  it('never carries what the caller wrote as a key id', () => {
    const result = authenticatorOf({ hmacSecret })(post(signatureOf(body, { keyId: 'x"}\tinjected' })))
    expect(result).toMatchObject({ ok: true, principal: { keyId: 'default' } })
  })

  it('cannot be taken for another caller: no X-Service can spell the name of an unnamed one', () => {
    const both = authenticatorOf({ apiKey, hmacSecret })
    const claimed = { ...signatureOf(body), 'X-Service': 'api-key:legacy' }
    expect(both(post(claimed))).toEqual({ ok: false, detail: 'malformed' })
  })
})

describe('a repeated signature', () => {
  const map = authenticatorOf({
    hmacKeys: hmacKeysOf({ k1: hmacSecret, k2: hmacSecret, k3: 'another secret' }),
  })
  const identityOf = (headers: Record<string, string>): string => {
    const result = map(post(headers))
    if (!result.ok) throw new Error(result.detail)
    return result.principal.signature?.toString('hex') ?? ''
  }

  it('has the same identity each time, and another one for another request', () => {
    expect(identityOf(signatureOf(body))).toBe(identityOf(signatureOf(body)))
    expect(identityOf(signatureOf(body, { offsetSeconds: 1 }))).not.toBe(identityOf(signatureOf(body)))
    expect(identityOf(signatureOf(body, { service: 'other' }))).not.toBe(identityOf(signatureOf(body)))
    expect(identityOf(signatureOf(body, { secret: 'another secret' }))).not.toBe(
      identityOf(signatureOf(body)),
    )
  })

  it('does not become a new request by naming another key id', () => {
    const captured = signatureOf(body)
    expect(identityOf({ ...captured, 'X-Key-Id': 'k2' })).toBe(identityOf({ ...captured, 'X-Key-Id': 'k1' }))
    expect(identityOf({ ...captured, 'X-Key-Id': 'k2' })).toBe(identityOf(captured))
  })

  it('is known by a digest, never by the signature itself', () => {
    const headers = signatureOf(body)
    expect(identityOf(headers)).toMatch(/^[0-9a-f]{64}$/)
    expect(identityOf(headers)).not.toBe(headers['X-Signature'])
  })
})

describe('the API key', () => {
  it('is compared byte for byte as it came over the wire', () => {
    const key = 'schlüssel-0123456789-0123456789-键'
    const onTheWire = Buffer.from(key, 'utf8').toString('latin1')
    expect(authenticatorOf({ apiKey: key })(post({ 'X-API-Key': onTheWire }))).toMatchObject({ ok: true })
  })

  it('is exact: no prefix, suffix, blank or other case of it passes', () => {
    const auth = authenticatorOf({ apiKey })
    for (const near of [
      apiKey.slice(0, -1),
      `${apiKey}x`,
      ` ${apiKey}`,
      `${apiKey}\0`,
      apiKey.toUpperCase(),
      '',
    ]) {
      expect(auth(post({ 'X-API-Key': near }))).toEqual({ ok: false, detail: 'bad_key' })
    }
  })

  it('must not be empty, nor the admin key and the ordinary key at once', () => {
    expect(() => authenticatorOf({ apiKey: '' })).toThrow(TypeError)
    expect(() => authenticatorOf({ adminApiKey: '' })).toThrow(TypeError)
    expect(() => authenticatorOf({ apiKey, adminApiKey: apiKey })).toThrow(TypeError)
  })
})

describe('any headers whatever', () => {
  const names = [
    'X-Signature',
    'X-Timestamp',
    'X-Key-Id',
    'X-Service',
    'X-API-Key',
    'X-Signature-Version',
    'X-Nonce',
    'X-Forwarded-For',
    'Authorization',
  ]
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.stringMatching(/^[0-9a-f]{64}$/),
    fc.integer({ min: -310, max: 310 }).map((offset) => String(Math.floor(nowMs / 1000) + offset)),
    fc.constantFrom('k1', 'k2', 'stargate', 'v1', 'v2', '', 'Bearer x'),
  )
  const headers = fc.dictionary(fc.constantFrom(...names), value)

  it('never throw and never authenticate', () => {
    const authenticators = [
      authenticatorOf({ apiKey, adminApiKey, hmacSecret, allowNoAuthFrom: () => false }),
      authenticatorOf({ apiKey, hmacKeys: hmacKeysOf({ k1: hmacSecret }), hmacDefaultKeyId: 'k1' }),
      authenticatorOf({}),
    ]
    fc.assert(
      fc.property(
        headers,
        fc.constantFrom('GET', 'POST', 'PUT'),
        fc.uint8Array(),
        (chosen, method, bytes) => {
          for (const authenticator of authenticators) {
            const request = requestOf(chosen, {
              method,
              path: '/v1/status',
              body: bytes,
              remoteAddress: '127.0.0.1',
            })
            expect(authenticator(request).ok).toBe(false)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('never repair a wrong signature, and never pass when added to a right one in place of its own', () => {
    const auth = authenticatorOf({ apiKey, hmacSecret })
    const right: Record<string, string> = { ...signatureOf(body), 'X-API-Key': apiKey }
    fc.assert(
      fc.property(headers, (chosen) => {
        expect(auth(post({ ...chosen, ...wrongSignature })).ok).toBe(false)
        const replaced = ['X-Signature', 'X-Timestamp', 'X-Service', 'X-API-Key'].some(
          (name) => name in chosen && chosen[name] !== right[name],
        )
        if (replaced) expect(auth(post({ ...right, ...chosen })).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
