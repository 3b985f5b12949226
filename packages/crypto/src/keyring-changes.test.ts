import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { addKey, promoteKey, removeKey, retireKey, stageKey } from './keyring-changes.ts'
import { createKeyring, type KeyringSettings } from './keyring.ts'
import { formatKeyringJson, parseKeyringJson } from './keyring-settings.ts'

const [oldKey, newKey] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const begun: KeyringSettings = {
  primaryId: 'old',
  entries: [{ id: 'old', key: oldKey, state: 'enabled', createdAt: '2026-01-01T00:00:00.000Z' }],
}
const added = addKey(begun, { id: 'new', key: newKey, createdAt: '2026-06-01T00:00:00.000Z' })
const staged = stageKey(added, 'new')
const promoted = promoteKey(staged, 'new')
const retired = retireKey(promoted, 'old')
const removed = removeKey(retired, 'old', '2026-09-01T00:00:00.000Z')
const states = ({ primaryId, entries }: KeyringSettings) => [
  primaryId,
  ...entries.map(({ id, state }) => `${id} ${state}`),
]

describe('the life of a key', () => {
  it('goes from disabled over pending to primary, and back to disabled and out', () => {
    expect([begun, added, staged, promoted, retired, removed].map(states)).toEqual([
      ['old', 'old enabled'],
      ['old', 'old enabled', 'new disabled'],
      ['old', 'old enabled', 'new pending'],
      ['new', 'old enabled', 'new enabled'],
      ['new', 'old disabled', 'new enabled'],
      ['new', 'new enabled'],
    ])
  })

  it('lets two neighbouring steps read what the other writes', () => {
    const context = { service: 's', purpose: 'p', recordId: 'r', field: 'f' }
    const rings = [begun, added, staged, promoted].map((settings) =>
      createKeyring({ ...settings, randomBytes }),
    )
    for (const [index, ring] of rings.entries())
      for (const other of rings.slice(Math.max(index - 1, 0), index + 2))
        expect(other.open(context, ring.seal(context, oldKey))).toEqual(oldKey)
  })

  it('brings a retired key back as pending while it is still there', () => {
    expect(states(stageKey(retired, 'old'))).toEqual(['new', 'old pending', 'new enabled'])
  })

  it.each([
    ['staging a key twice', () => stageKey(staged, 'new'), 'is pending'],
    ['promoting a key that no replica has', () => promoteKey(added, 'new'), 'stage it'],
    ['retiring the primary key', () => retireKey(begun, 'old'), 'promote another first'],
    ['retiring twice', () => retireKey(retired, 'old'), 'is disabled'],
    ['removing a key in use', () => removeKey(promoted, 'old', ''), 'retire it first'],
    ['a key that is not there', () => stageKey(begun, 'new'), 'no key new'],
  ])('refuses %s', (_case, change, message) => {
    expect(change).toThrow(message)
  })

  it('never takes a removed key back, under its id or under another', () => {
    for (const entry of [
      { id: 'old', key: Buffer.alloc(32, 3) },
      { id: 'other', key: oldKey },
    ])
      expect(() => createKeyring({ ...addKey(removed, entry), randomBytes })).toThrow('was retired')
  })

  it('survives being written down', () => {
    for (const settings of [begun, staged, promoted, removed])
      expect(parseKeyringJson(formatKeyringJson(settings))).toEqual(settings)
  })
})
