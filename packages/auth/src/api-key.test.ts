import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type ApiKeyEntry, formatHash, parseApiKeys, parsePeppers } from './api-key-list.ts'
import { digestApiKey, generateApiKey, readApiKey } from './api-key-text.ts'
import { apiKey, authenticatorOf, hmacSecret, nowMs, requestOf, signatureOf } from './request.fixture.ts'

const golden = 'hk_live_AbCdEfGhIj_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2Ws74c'
const peppers = new Map([
  ['p1', 'pepper of the vector'],
  ['p2', 'another pepper'],
])

function issue(settings: Partial<ApiKeyEntry> = {}, pepperId = 'p1') {
  const { environment = 'live' } = settings
  const { id, text } = generateApiKey({ environment, randomBytes })
  const hash = formatHash(pepperId, digestApiKey(text, peppers.get(pepperId) ?? ''))
  const entry: ApiKeyEntry = { id, hash, scopes: ['totp:verify'], ...settings }
  return { id, text, entry }
}

const authOf = (...entries: ApiKeyEntry[]) =>
  authenticatorOf({ apiKeys: parseApiKeys(JSON.stringify(entries)), apiKeyPeppers: peppers })
const show = (text: string, headers: Record<string, string> = {}, remoteAddress = '10.0.0.7') =>
  requestOf({ 'X-API-Key': text, ...headers }, { remoteAddress })
const at = (milliseconds: number) => new Date(milliseconds).toISOString()

describe('the text of an issued key', () => {
  it('agrees with the vector, its digest too', () => {
    expect(readApiKey(golden)).toEqual({ environment: 'live', id: 'AbCdEfGhIj' })
    expect(formatHash('p1', digestApiKey(golden, 'pepper of the vector'))).toBe(
      'hmac-sha256$p1$n5CXyux3L_RkqrjkEDPxW-U2Kuz139yYZ10A0gJXJDY',
    )
  })

  it('has its form, and never comes twice', () => {
    const texts = Array.from({ length: 50 }, () => generateApiKey({ environment: 'test', randomBytes }).text)
    for (const text of texts) {
      expect(text).toMatch(/^hk_test_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/)
      expect(readApiKey(text)).toBeDefined()
    }
    expect(new Set(texts).size).toBe(50)
  })

  it('is not one when any one symbol of it was mistyped', () => {
    for (let place = 0; place < golden.length; place += 1) {
      const other = golden[place] === 'x' ? 'y' : 'x'
      expect(readApiKey(golden.slice(0, place) + other + golden.slice(place + 1))).toBeUndefined()
    }
    for (const text of ['', golden.slice(0, -1), `${golden}0`, ` ${golden}`, golden.toUpperCase()])
      expect(readApiKey(text)).toBeUndefined()
  })
})

describe('an issued key', () => {
  it('names its caller and has the scopes it was given, admin ones too', () => {
    const { id, text, entry } = issue({ service: 'stargate', scopes: ['totp:verify', 'totp:admin'] })
    expect(authOf(entry)(show(text))).toEqual({
      ok: true,
      principal: {
        service: 'stargate',
        keyId: id,
        scheme: 'api-key',
        scopes: ['totp:verify', 'totp:admin'],
      },
    })
    const unbound = issue()
    expect(authOf(unbound.entry)(show(unbound.text))).toMatchObject({
      principal: { service: `api-key:${unbound.id}` },
    })
  })

  it('is found by its id among others, each under its own pepper', () => {
    const [one, two] = [issue({}, 'p1'), issue({}, 'p2')]
    const auth = authOf(one.entry, two.entry)
    expect(auth(show(one.text))).toMatchObject({ ok: true, principal: { keyId: one.id } })
    expect(auth(show(two.text))).toMatchObject({ ok: true, principal: { keyId: two.id } })
  })

  it('passes with nothing but its very text', () => {
    const { id, entry } = issue()
    const auth = authOf(entry)
    const forged = generateApiKey({ environment: 'live', randomBytes }).text
    const forgedId = forged.replace(/(?<=live_).{10}/, id)
    for (const text of [forged, forgedId, golden, 'hk_live_', '', entry.hash]) {
      expect(auth(show(text))).toEqual({ ok: false, detail: 'bad_key' })
    }
  })

  it('is good in its environment alone, whatever the list says', () => {
    const { text, entry } = issue({ environment: 'test' })
    expect(authOf(entry)(show(text))).toMatchObject({ ok: true })
    const { environment: _environment, ...asLive } = entry
    expect(authOf(asLive)(show(text))).toEqual({ ok: false, detail: 'bad_key' })
  })

  it.each([
    ['is not in use yet', { notBefore: at(nowMs + 1) }],
    ['has expired', { expiresAt: at(nowMs) }],
    ['was revoked', { revokedAt: at(nowMs) }],
  ])('is refused when it %s', (_case, settings) => {
    const { text, entry } = issue(settings)
    expect(authOf(entry)(show(text))).toEqual({ ok: false, detail: 'inactive_key' })
  })

  it('is refused from outside its networks, by the address of the socket alone', () => {
    const { text, entry } = issue({ cidr: ['10.0.0.0/24', 'fd00::/8'] })
    const auth = authOf(entry)
    for (const address of ['10.0.0.7', '::ffff:10.0.0.7', 'fd00::1'])
      expect(auth(show(text, {}, address))).toMatchObject({ ok: true })
    const elsewhere = show(text, { 'X-Forwarded-For': '10.0.0.7', Forwarded: 'for=10.0.0.7' }, '10.0.1.7')
    expect(auth(elsewhere)).toEqual({ ok: false, detail: 'network' })
    expect(auth(requestOf({ 'X-API-Key': text }))).toEqual({ ok: false, detail: 'network' })
  })

  it('is refused when the request claims another service than the one it belongs to', () => {
    const { text, entry } = issue({ service: 'stargate' })
    expect(authOf(entry)(show(text, { 'X-Service': 'other' }))).toEqual({
      ok: false,
      detail: 'wrong_service',
    })
    expect(authOf(entry)(show(text, { 'X-Service': 'stargate' }))).toMatchObject({ ok: true })
  })

  it('stands beside the legacy key, and neither rescues a wrong signature', () => {
    const { text, entry } = issue()
    const auth = authenticatorOf({
      apiKey,
      hmacSecret,
      apiKeys: parseApiKeys(JSON.stringify([entry])),
      apiKeyPeppers: peppers,
    })
    expect(auth(show(apiKey))).toMatchObject({ ok: true, principal: { keyId: 'legacy' } })
    expect(auth(show(text))).toMatchObject({ ok: true })
    expect(auth(show(text, signatureOf('', { secret: 'wrong' })))).toEqual({
      ok: false,
      detail: 'bad_signature',
    })
  })
})

describe('the list of issued keys', () => {
  const { entry } = issue()

  it.each<[string, unknown]>([
    ['no list', {}],
    ['an id of another length', [{ ...entry, id: 'short' }]],
    ['a key in place of its digest', [{ ...entry, hash: golden }]],
    ['a scope that does not exist', [{ ...entry, scopes: ['totp:all'] }]],
    ['no scope', [{ ...entry, scopes: [] }]],
    ['a time without a zone', [{ ...entry, expiresAt: '2026-01-01T00:00:00' }]],
    ['a network that is none', [{ ...entry, cidr: '10.0.0.0' }]],
    ['a field that does not exist', [{ ...entry, expires: at(nowMs) }]],
    ['one id twice', [entry, entry]],
  ])('is refused for %s, without repeating any of it', (_case, list) => {
    const text = JSON.stringify(list)
    expect(() => parseApiKeys(text)).toThrow('must be a JSON list')
    expect(() => parseApiKeys(text)).not.toThrow(golden)
  })

  it('needs the pepper that an entry names', () => {
    const apiKeys = parseApiKeys(JSON.stringify([entry]))
    expect(() => authenticatorOf({ apiKeys, apiKeyPeppers: new Map([['p9', 'x']]) })).toThrow(TypeError)
  })

  it.each(['', '[]', '{}', '{"p1":""}', '{"p 1":"the-secret"}', '{"p1":7}'])('refuses peppers %s', (json) => {
    expect(() => parsePeppers(json)).toThrow('must be a JSON object of pepper id')
  })
})
