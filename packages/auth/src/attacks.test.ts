import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SignedRequest } from './scheme.ts'
import {
  apiKey,
  authenticatorOf,
  hmacKeysOf,
  hmacSecret,
  nowMs,
  requestOf,
  signatureOf,
} from './request.fixture.ts'

const auth = authenticatorOf({ apiKey, hmacSecret })
const body = '{"subject":"alice"}'
const post = (headers: Record<string, string>, text = body) => requestOf(headers, { body: Buffer.from(text) })
const refused = (request: SignedRequest) => !auth(request).ok

describe('attack 1: a v1 GET signature is sent to another path', () => {
  const get = (path: string, method = 'GET') => requestOf(signatureOf(''), { method, path })

  it('works on the listed path alone', () => {
    expect(auth(get('/v1/status'))).toMatchObject({ ok: true })
    for (const path of ['/v1/messages/m_1', '/v1/status/', '/V1/STATUS', '//v1/status', '/v1', '']) {
      expect(auth(get(path))).toEqual({ ok: false, detail: 'unsigned_path' })
    }
    for (const method of ['HEAD', 'DELETE', 'PUT', 'get', 'OPTIONS']) {
      expect(auth(get('/v1/status', method))).toEqual({ ok: false, detail: 'unsigned_path' })
    }
  })
})

describe('attack 4: a colon is moved between service and body', () => {
  it('fails in both directions', () => {
    const captured = signatureOf('{"subject":"alice"}', { service: 'a' })
    expect(auth(post(captured))).toMatchObject({ ok: true })
    expect(refused(post({ ...captured, 'X-Service': 'a:{"subject"' }, '"alice"}'))).toBe(true)
    expect(refused(post({ ...captured, 'X-Service': '' }, 'a:{"subject":"alice"}'))).toBe(true)
    expect(refused(post({ ...captured, 'X-Service': 'a:' }, '{"subject":"alice"}'))).toBe(true)

    const colonInBody = signatureOf('b:c', { service: 'a' })
    expect(refused(post({ ...colonInBody, 'X-Service': 'a:b' }, 'c'))).toBe(true)
  })

  it.each(['a b', 'a,b', 'a\tb', 'ä', 'a/b', 'a'.repeat(65)])('refuses the service %j', (service) => {
    expect(auth(post({ ...signatureOf(body), 'X-Service': service }))).toEqual({
      ok: false,
      detail: 'malformed',
    })
  })
})

describe('attack 5: versions of a signature are played off against each other', () => {
  it('a v2 header is never tried as v1 nor as an API key', () => {
    for (const version of ['v2', 'V1', 'v3', '1', '', 'v1, v2', 'v2,v1']) {
      const stated = { 'X-Signature-Version': version }
      expect(auth(post({ ...stated, ...signatureOf(body) }))).toEqual({ ok: false, detail: 'malformed' })
      expect(auth(post({ ...stated, 'X-API-Key': apiKey }))).toEqual({ ok: false, detail: 'malformed' })
      expect(auth(post({ ...stated, ...signatureOf(body), 'X-API-Key': apiKey })).ok).toBe(false)
    }
  })

  it('a caller may say v1', () => {
    expect(auth(post({ 'X-Signature-Version': 'v1', ...signatureOf(body) }))).toMatchObject({ ok: true })
  })
})

describe('attack 6: a wrong credential hides behind a right one', () => {
  it('a bad signature is not rescued by a valid API key', () => {
    const wrong = signatureOf(body, { secret: 'another secret' })
    expect(auth(post({ ...wrong, 'X-API-Key': apiKey }))).toEqual({ ok: false, detail: 'bad_signature' })
  })

  it('a bad API key is not rescued by a valid signature', () => {
    expect(auth(post({ ...signatureOf(body), 'X-API-Key': 'x' }))).toEqual({ ok: false, detail: 'bad_key' })
  })
})

describe('attack 8: an authentication header is sent twice', () => {
  const server = createServer((incoming, response) => {
    response.end(JSON.stringify(auth(asRequest(incoming)).ok))
  })
  let port = 0
  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    ;({ port } = server.address() as AddressInfo)
  })
  afterAll(() => server.close())

  function asRequest({ headers }: IncomingMessage): SignedRequest {
    const single = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
    return requestOf(Object.fromEntries(single))
  }

  function answerTo(headers: Record<string, string | string[]>): Promise<string> {
    return new Promise((answer, fail) => {
      const sent = httpRequest({ port, method: 'POST', headers, agent: false }, (response) => {
        response.setEncoding('utf8').once('data', answer)
      })
      sent.once('error', fail).end()
    })
  }

  const right: Record<string, string> = { ...signatureOf('', { keyId: 'k1' }), 'X-API-Key': apiKey }

  it('passes when each header is there once', async () => {
    expect(await answerTo(right)).toBe('true')
  })

  it.each(Object.keys(right))('%s twice is refused, even with the right value both times', async (name) => {
    const value = right[name] ?? ''
    expect(await answerTo({ ...right, [name]: [value, value] })).toBe('false')
    expect(await answerTo({ ...right, [name]: [value, 'x'] })).toBe('false')
    expect(await answerTo({ ...right, [name]: ['x', value] })).toBe('false')
    expect(await answerTo({ ...right, [name]: `${value},${value}` })).toBe('false')
  })
})

describe('attack 9: the timestamp is stretched', () => {
  const second = Math.floor(nowMs / 1000)

  it('300 seconds either way pass, 301 do not', () => {
    for (const offsetSeconds of [-300, -1, 0, 1, 300]) {
      expect(auth(post(signatureOf(body, { offsetSeconds })))).toMatchObject({ ok: true })
    }
    for (const offsetSeconds of [-86_400, -301, 301, 86_400]) {
      expect(auth(post(signatureOf(body, { offsetSeconds })))).toEqual({ ok: false, detail: 'window' })
    }
  })

  it.each([
    `+${second}`,
    `-${second}`,
    ` ${second}`,
    `${second} `,
    `0${second}`,
    `${second}.0`,
    `${second}000`,
    `${second / 1e9}e9`,
    '1e9',
    `0x${second.toString(16)}`,
    `${second}n`,
    '１７００００００００',
    '',
    'NaN',
    'Infinity',
  ])('%j is not a decimal second', (timestamp) => {
    const signature = signatureOf(body)
    expect(auth(post({ ...signature, 'X-Timestamp': timestamp }))).toEqual({ ok: false, detail: 'malformed' })
  })
})

describe('a right signature that is spelt otherwise', () => {
  it.each<[string, (signature: string) => string]>([
    ['uppercase', (signature) => signature.toUpperCase()],
    ['cut', (signature) => signature.slice(0, 62)],
    ['lengthened', (signature) => `${signature}00`],
    ['in base64', (signature) => Buffer.from(signature, 'hex').toString('base64')],
    ['with a prefix', (signature) => `sha256=${signature}`],
    ['empty', () => ''],
  ])('%s is refused', (_title, spell) => {
    const { 'X-Signature': signature = '', ...rest } = signatureOf(body)
    expect(auth(post({ ...rest, 'X-Signature': spell(signature) }))).toEqual({
      ok: false,
      detail: 'malformed',
    })
  })
})

describe('attack 13: key ids are guessed', () => {
  const secrets = hmacKeysOf({ k1: 'secret of k1', k2: 'secret of k2' })
  const map = authenticatorOf({ hmacKeys: secrets })
  const signedBy = (secret: string, keyId?: string) =>
    post(signatureOf(body, { secret, ...(keyId === undefined ? {} : { keyId }) }))

  it('an unknown id, a known id with another secret, and no id with no secret of ours are all refused', () => {
    expect(map(signedBy('secret of k1', 'k9')).ok).toBe(false)
    expect(map(signedBy('secret of k2', 'k1')).ok).toBe(false)
    expect(map(signedBy('another secret')).ok).toBe(false)
    expect(map(signedBy('secret of k1', 'k1'))).toMatchObject({ ok: true, principal: { keyId: 'k1' } })
  })

  it('the decoy that an unknown id is measured against can never be satisfied', () => {
    expect(map(signedBy('\0'.repeat(32), 'k9')).ok).toBe(false)
  })

  it('an id pinned for those who state none leaves the other keys to their ids', () => {
    const pinned = authenticatorOf({ hmacKeys: secrets, hmacDefaultKeyId: 'k1' })
    expect(pinned(signedBy('secret of k1'))).toMatchObject({ ok: true, principal: { keyId: 'k1' } })
    expect(pinned(signedBy('secret of k2')).ok).toBe(false)
    expect(pinned(signedBy('secret of k2', 'k2'))).toMatchObject({ ok: true, principal: { keyId: 'k2' } })
  })

  it('an unknown id costs the same work as a known one: the whole body is hashed for both', () => {
    const big = Buffer.alloc(8 * 1024 * 1024)
    const timed = (keyId: string) => {
      const headers = { ...signatureOf('', { secret: 'wrong' }), 'X-Key-Id': keyId }
      const start = performance.now()
      map(requestOf(headers, { body: big }))
      return performance.now() - start
    }
    const runs = Array.from({ length: 9 }, () => ({ known: timed('k1'), unknown: timed('k9') }))
    const fastest = (name: 'known' | 'unknown') => Math.min(...runs.map((run) => run[name]))
    expect(fastest('unknown')).toBeGreaterThan(fastest('known') / 2)
  })
})
