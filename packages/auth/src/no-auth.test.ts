import { describe, expect, it } from 'vitest'
import { apiKey, authenticatorOf, hmacSecret, requestOf, signatureOf } from './request.fixture.ts'

const auth = authenticatorOf({ apiKey, hmacSecret, allowNoAuthFrom: (address) => address === '10.0.0.7' })
const from = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  requestOf(headers, { path: '/v1/send', ...(remoteAddress === undefined ? {} : { remoteAddress }) })

describe('a request without any credential', () => {
  it('passes by the address of its socket, to send and for nothing else', () => {
    expect(auth(from('10.0.0.7'))).toEqual({
      ok: true,
      principal: {
        service: 'anonymous:anonymous',
        keyId: 'anonymous',
        scheme: 'anonymous',
        scopes: ['smtp:send'],
      },
    })
  })

  it('is refused from elsewhere, and where no address is known or allowed', () => {
    expect(auth(from('10.0.0.8'))).toEqual({ ok: false, detail: 'missing' })
    expect(auth(from(undefined))).toEqual({ ok: false, detail: 'missing' })
    expect(authenticatorOf({ apiKey })(from('10.0.0.7'))).toEqual({ ok: false, detail: 'missing' })
  })

  it.each([
    'Forwarded',
    'X-Forwarded-For',
    'X-FORWARDED-PROTO',
    'x-forwarded-host',
    'X-Forwarded-Anything-At-All',
    'X-Real-IP',
  ])('is refused when a proxy marked it with %s, whatever that says', (name) => {
    expect(auth(from('10.0.0.7', { [name]: '10.0.0.7' }))).toEqual({ ok: false, detail: 'missing' })
    expect(auth(from('10.0.0.7', { [name]: '' }))).toEqual({ ok: false, detail: 'missing' })
  })

  it('is refused when a browser made it, also for a page that took our name', () => {
    const rebound = { Host: 'page.example', Origin: 'http://page.example' }
    expect(auth(from('10.0.0.7', rebound))).toEqual({ ok: false, detail: 'missing' })
    expect(auth(from('10.0.0.7', { Origin: 'null' }))).toEqual({ ok: false, detail: 'missing' })
  })

  it('is one without any: a wrong credential is not forgiven for its address', () => {
    const wrong = [
      { 'X-API-Key': 'wrong' },
      signatureOf('', { secret: 'wrong' }),
      { 'X-Key-Id': 'k1' },
      { 'X-Signature-Version': 'v2' },
    ]
    for (const headers of wrong) expect(auth(from('10.0.0.7', headers)).ok).toBe(false)
  })

  it('does not lessen what a right credential may do', () => {
    expect(auth(from('10.0.0.7', { 'X-API-Key': apiKey }))).toMatchObject({
      ok: true,
      principal: { keyId: 'legacy' },
    })
  })
})
