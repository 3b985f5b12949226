import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KeyFormatError, keyCheckValue } from './key-bytes.ts'
import { createKeyring } from './keyring.ts'
import { parseKeyringJson, singleKeyring } from './keyring-settings.ts'

const key = Buffer.alloc(32, 7)
const secretText = `base64:${key.toString('base64')}`
const entry = { id: 'k2', key: secretText, state: 'enabled', created: '2026-05-01T00:00:00Z' }

describe('parseKeyringJson', () => {
  it('reads ids, keys, states and dates', () => {
    const pending = { id: 'k3', key: `hex:${'0f'.repeat(32)}`, state: 'pending' }
    expect(parseKeyringJson(JSON.stringify({ primary: 'k2', keys: [entry, pending] }))).toEqual({
      primaryId: 'k2',
      entries: [
        { id: 'k2', key, state: 'enabled', createdAt: '2026-05-01T00:00:00Z' },
        { id: 'k3', key: Buffer.alloc(32, 0x0f), state: 'pending' },
      ],
    })
  })

  it.each<[string, unknown, string]>([
    ['a list', [], 'the keyring must be an object'],
    ['null', null, 'the keyring must be an object'],
    ['no primary', { keys: [entry] }, 'primary must be the id of a key'],
    ['keys as an object', { primary: 'k2', keys: { k2: secretText } }, 'keys must be a list'],
    [
      'a stray field',
      { primary: 'k2', keys: [], [secretText]: 1 },
      'primary, keys, retired and nothing else',
    ],
    ['a text as an entry', { primary: 'k2', keys: [secretText] }, 'keys[0] must be an object'],
    ['no id', { primary: 'k2', keys: [{ ...entry, id: 2 }] }, 'keys[0].id must be text'],
    ['no key', { primary: 'k2', keys: [{ ...entry, key: null }] }, 'keys[0].key must be text'],
    ['a bad key', { primary: 'k2', keys: [entry, { ...entry, key: 'hex:00' }] }, 'keys[1].key hex: must be'],
    ['an unknown state', { primary: 'k2', keys: [{ ...entry, state: 'active' }] }, 'keys[0].state must be'],
    [
      'a bad date',
      { primary: 'k2', keys: [{ ...entry, created: 'soon' }] },
      'keys[0].created must be a date',
    ],
  ])('refuses %s and says where', (_title, value, message) => {
    expect(() => parseKeyringJson(JSON.stringify(value))).toThrow(message)
  })

  it('never repeats what it was given', () => {
    for (const text of [
      secretText,
      `{"primary":"${secretText}"`,
      JSON.stringify({ [secretText]: secretText }),
    ]) {
      const failure = thrownBy(() => parseKeyringJson(text))
      expect(failure).toBeInstanceOf(KeyFormatError)
      expect(`${String(failure)} ${String((failure as Error).cause)}`).not.toContain(secretText.slice(0, 12))
    }
  })
})

describe('singleKeyring', () => {
  it('names the key after its check value, so that its boxes open from a keyring with that id', () => {
    const single = singleKeyring(key)
    expect(single.primaryId).toBe(`k${keyCheckValue(key)}`)
    const context = { service: 's', purpose: 'p', recordId: 'r', field: 'f' }
    const box = createKeyring({ ...single, randomBytes }).seal(context, Buffer.from('x'))
    const moved = parseKeyringJson(
      JSON.stringify({
        primary: 'next',
        keys: [
          { id: single.primaryId, key: secretText, state: 'enabled' },
          { id: 'next', key: `hex:${'0f'.repeat(32)}`, state: 'enabled' },
        ],
      }),
    )
    expect(createKeyring({ ...moved, randomBytes }).open(context, box)).toEqual(Buffer.from('x'))
  })
})

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}
