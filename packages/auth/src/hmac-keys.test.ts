import { describe, expect, it } from 'vitest'
import { createHmacKeys, parseHmacKeys } from './hmac-keys.ts'
import { hmacKeysOf } from './request.fixture.ts'

describe('parseHmacKeys', () => {
  it('reads a JSON object of key id to secret', () => {
    expect(parseHmacKeys('{"k1":"one","2026/05:b":"two"}')).toEqual(
      new Map([
        ['k1', { secret: 'one' }],
        ['2026/05:b', { secret: 'two' }],
      ]),
    )
  })

  it('reads one secret under several ids that open the same, so that an id can be renamed', () => {
    const one = { secret: 'one', scopes: ['totp:verify', 'totp:status'] }
    const other = {
      ...one,
      scopes: one.scopes.toReversed(),
      notBefore: '2026-01-01T00:00:00Z',
      minVersion: 1,
    }
    expect(parseHmacKeys(JSON.stringify({ one, other })).size).toBe(2)
  })

  it('reads the settings of a key, its times as milliseconds', () => {
    const k1 = {
      secret: 'one',
      service: 'stargate',
      scopes: ['totp:verify'],
      notBefore: '2026-01-01T00:00:00Z',
      notAfter: '2026-04-01T02:00:00+02:00',
      minVersion: 2,
      v1Until: '2026-02-01T00:00:00.5Z',
    }
    expect(parseHmacKeys(JSON.stringify({ k1 })).get('k1')).toEqual({
      ...k1,
      notBefore: Date.UTC(2026, 0, 1),
      notAfter: Date.UTC(2026, 3, 1),
      v1Until: Date.UTC(2026, 1, 1) + 500,
    })
  })

  it.each([
    '',
    '{"k1":"the-secret"',
    '"the-secret"',
    '["the-secret"]',
    'null',
    '{}',
    '{"k1":""}',
    '{"k1":7}',
    '{"k1":{"service":"the-secret"}}',
    '{"k1":{"secret":"the-secret","service":"a:b"}}',
    '{"k1":{"secret":"the-secret","scopes":[]}}',
    '{"k1":{"secret":"the-secret","scopes":["totp:admin"]}}',
    '{"k1":{"secret":"the-secret","minVersion":3}}',
    '{"k1":{"secret":"the-secret","notAfter":"2026-01-01"}}',
    '{"k1":{"secret":"the-secret","notafter":"2026-01-01T00:00:00Z"}}',
    '{"k1":{"secret":"the-secret","scopes":["totp:status"]},"k2":"the-secret"}',
    '{"k1":"the-secret","k2":{"secret":"the-secret","minVersion":2}}',
    '{"k1":{"secret":"the-secret","service":"a"},"k2":{"secret":"the-secret","service":"b"}}',
    '{"k1":"the-secret","k2":{"secret":"the-secret","v1Until":"2026-01-01T00:00:00Z"}}',
    '{"":"the-secret"}',
    '{"k,1":"the-secret"}',
    '{"k 1":"the-secret"}',
    '{"the-secret\\n":"x"}',
  ])('refuses %s without repeating any of it', (json) => {
    expect(() => parseHmacKeys(json)).toThrow('must be a JSON object of key id to secret')
    expect(() => parseHmacKeys(json)).not.toThrow('the-secret')
  })
})

describe('createHmacKeys', () => {
  const map = hmacKeysOf({ k1: 'one', k2: 'two' })
  type Options = Parameters<typeof createHmacKeys>[0]
  const statedId = (options: Options, id: string) => createHmacKeys(options)?.stated(id)?.id
  const unstatedIds = (options: Options) => createHmacKeys(options)?.unstated.map(({ id }) => id)
  const pinnedId = (options: Options) => createHmacKeys(options)?.pinned?.id

  it('gives a stated id its one key, and an unknown id none', () => {
    expect(statedId({ hmacKeys: map }, 'k2')).toBe('k2')
    expect(statedId({ hmacKeys: map }, 'k9')).toBeUndefined()
    expect(statedId({ hmacKeys: map }, '__proto__')).toBeUndefined()
  })

  it('gives a v1 signature every key when none is stated, unless one is pinned', () => {
    expect(unstatedIds({ hmacKeys: map })).toEqual(['k1', 'k2'])
    expect(unstatedIds({ hmacKeys: map, hmacDefaultKeyId: 'k2' })).toEqual(['k2'])
  })

  it('gives a v2 signature none when none is stated, unless one is pinned', () => {
    expect(pinnedId({ hmacKeys: map })).toBeUndefined()
    expect(pinnedId({ hmacKeys: map, hmacDefaultKeyId: 'k2' })).toBe('k2')
    expect(pinnedId({ hmacSecret: 'single' })).toBeUndefined()
    expect(pinnedId({ hmacSecret: 'single', hmacDefaultKeyId: 'any' })).toBe('default')
  })

  it('lets a map win over the single secret', () => {
    expect(statedId({ hmacKeys: map, hmacSecret: 'single' }, 'other')).toBeUndefined()
  })

  it('lets every stated id mean the single secret, under a name of our own', () => {
    expect(statedId({ hmacSecret: 'single' }, 'whatever the caller says')).toBe('default')
    expect(unstatedIds({ hmacSecret: 'single' })).toEqual(['default'])
  })

  it('is nothing when nothing is configured', () => {
    expect(createHmacKeys({})).toBeUndefined()
  })

  it.each<Options>([
    { hmacSecret: '' },
    { hmacKeys: new Map() },
    { hmacKeys: hmacKeysOf({ k1: '' }) },
    { hmacKeys: map, hmacDefaultKeyId: 'k9' },
  ])('refuses keys that can prove nothing: %o', (options) => {
    expect(() => createHmacKeys(options)).toThrow(TypeError)
  })
})
