import { describe, expect, it } from 'vitest'
import { createHmacKeys, parseHmacKeys } from './hmac-keys.ts'

describe('parseHmacKeys', () => {
  it('reads a JSON object of key id to secret', () => {
    expect(parseHmacKeys('{"k1":"one","2026/05:b":"two"}')).toEqual(
      new Map([
        ['k1', 'one'],
        ['2026/05:b', 'two'],
      ]),
    )
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
    '{"k1":{"secret":"the-secret"}}',
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
  const map = new Map([
    ['k1', 'one'],
    ['k2', 'two'],
  ])
  const idsFor = (options: Parameters<typeof createHmacKeys>[0], stated?: string) =>
    createHmacKeys(options)?.(stated).map(({ id }) => id)

  it('gives a stated id its one key, and an unknown id none', () => {
    expect(idsFor({ hmacKeys: map }, 'k2')).toEqual(['k2'])
    expect(idsFor({ hmacKeys: map }, 'k9')).toEqual([])
    expect(idsFor({ hmacKeys: map }, '__proto__')).toEqual([])
  })

  it('gives every key when none is stated, unless one is pinned', () => {
    expect(idsFor({ hmacKeys: map })).toEqual(['k1', 'k2'])
    expect(idsFor({ hmacKeys: map, hmacDefaultKeyId: 'k2' })).toEqual(['k2'])
  })

  it('lets a map win over the single secret', () => {
    expect(idsFor({ hmacKeys: map, hmacSecret: 'single' }, 'other')).toEqual([])
  })

  it('lets every stated id mean the single secret, under a name of our own', () => {
    expect(idsFor({ hmacSecret: 'single' }, 'whatever the caller says')).toEqual(['default'])
    expect(idsFor({ hmacSecret: 'single' })).toEqual(['default'])
  })

  it('is nothing when nothing is configured', () => {
    expect(createHmacKeys({})).toBeUndefined()
  })

  it.each([
    { hmacSecret: '' },
    { hmacKeys: new Map() },
    { hmacKeys: new Map([['k1', '']]) },
    { hmacKeys: map, hmacDefaultKeyId: 'k9' },
  ])('refuses keys that can prove nothing: %o', (options) => {
    expect(() => createHmacKeys(options)).toThrow(TypeError)
  })
})
