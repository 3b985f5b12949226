import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KeyFormatError } from './key-bytes.ts'
import { createKeyring, type KeyringEntry, type KeyState } from './keyring.ts'

const context = { service: 'herald-totp', purpose: 'credential', recordId: 'tag/c_1', field: 'secret' }
const oldKey = Buffer.alloc(32, 1)
const newKey = Buffer.alloc(32, 2)

function keyringOf(primaryId: string, states: { old?: KeyState; new?: KeyState }) {
  const entries: KeyringEntry[] = []
  if (states.old) entries.push({ id: 'old', key: oldKey, state: states.old })
  if (states.new) entries.push({ id: 'new', key: newKey, state: states.new })
  return createKeyring({ primaryId, entries, randomBytes })
}

describe('keyring', () => {
  it('loses no box while replicas go through a rotation one after the other', () => {
    const steps = [
      keyringOf('old', { old: 'enabled' }),
      keyringOf('old', { old: 'enabled', new: 'pending' }),
      keyringOf('new', { old: 'enabled', new: 'enabled' }),
      keyringOf('new', { old: 'pending', new: 'enabled' }),
    ]
    for (const [before, after] of [steps.slice(0, 2), steps.slice(1, 3), steps.slice(2, 4)]) {
      for (const [writer, reader] of [
        [before, after],
        [after, before],
      ]) {
        const box = writer?.seal(context, Buffer.from('x')) ?? ''
        expect(reader?.open(context, box)).toEqual(Buffer.from('x'))
      }
    }
  })

  it('seals under the primary key alone', () => {
    expect(keyringOf('new', { old: 'enabled', new: 'enabled' }).seal(context, Buffer.from('x'))).toMatch(
      /^e1\.new\./,
    )
  })

  it('opens with a pending key and does not seal with it', () => {
    const box = keyringOf('new', { new: 'enabled' }).seal(context, Buffer.from('x'))
    expect(keyringOf('old', { old: 'enabled', new: 'pending' }).open(context, box)).toEqual(Buffer.from('x'))
    expect(() => keyringOf('new', { old: 'enabled', new: 'pending' })).toThrow(KeyFormatError)
  })

  it('neither opens nor seals with a disabled key', () => {
    const box = keyringOf('old', { old: 'enabled' }).seal(context, Buffer.from('x'))
    expect(() => keyringOf('new', { old: 'disabled', new: 'enabled' }).open(context, box)).toThrow(
      expect.objectContaining({ code: 'disabled_key', message: expect.stringContaining('key old') }),
    )
    expect(() => keyringOf('old', { old: 'disabled' })).toThrow(KeyFormatError)
  })

  it('never tries another key for a box whose key it does not have', () => {
    const sameKeyOtherId = createKeyring({
      primaryId: 'renamed',
      entries: [{ id: 'renamed', key: oldKey, state: 'enabled' }],
      randomBytes,
    })
    const box = keyringOf('old', { old: 'enabled' }).seal(context, Buffer.from('x'))
    expect(() => sameKeyOtherId.open(context, box)).toThrow(
      expect.objectContaining({ code: 'unknown_key', message: expect.stringContaining('key old') }),
    )
  })

  it('shows check values and never a key', () => {
    const { keys } = createKeyring({
      primaryId: 'old',
      entries: [{ id: 'old', key: oldKey, state: 'enabled', createdAt: '2026-01-01' }],
      randomBytes,
    })
    expect(keys).toEqual([
      { id: 'old', state: 'enabled', kcv: expect.stringMatching(/^[0-9a-f]{8}$/), createdAt: '2026-01-01' },
    ])
  })

  it.each<[string, KeyringEntry[]]>([
    ['no key at all', []],
    ['a primary that is not there', [{ id: 'other', key: newKey, state: 'enabled' }]],
    ['a key too short', [{ id: 'old', key: Buffer.alloc(31), state: 'enabled' }]],
    ['a key too long', [{ id: 'old', key: Buffer.alloc(34), state: 'enabled' }]],
    ['an id with a dot', [{ id: 'o.ld', key: oldKey, state: 'enabled' }]],
    [
      'one id twice',
      [
        { id: 'old', key: oldKey, state: 'enabled' },
        { id: 'old', key: newKey, state: 'enabled' },
      ],
    ],
    [
      'one key under two ids',
      [
        { id: 'old', key: oldKey, state: 'enabled' },
        { id: 'new', key: Buffer.from(oldKey), state: 'pending' },
      ],
    ],
  ])('refuses %s', (_title, entries) => {
    expect(() => createKeyring({ primaryId: 'old', entries, randomBytes })).toThrow(KeyFormatError)
  })
})
