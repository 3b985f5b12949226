import { KeyFormatError, keyCheckValue } from './key-bytes.ts'
import type { KeyringEntry, KeyringSettings, KeyState } from './keyring.ts'

/**
 * The life of a key: added as disabled, staged (pending: every replica opens with it), promoted (primary: it seals),
 * retired (disabled again, once no record needs it), removed. Each function gives the keyring after one step and throws
 * KeyFormatError where the step does not apply.
 */
export function addKey(settings: KeyringSettings, entry: Omit<KeyringEntry, 'state'>): KeyringSettings {
  return { ...settings, entries: [...settings.entries, { ...entry, state: 'disabled' }] }
}

/** A disabled key becomes pending; so does a retired one that is needed after all. */
export function stageKey(settings: KeyringSettings, id: string): KeyringSettings {
  expectState(settings, id, ['disabled'], 'staged')
  return withState(settings, id, 'pending')
}

/** The key before it stays enabled, because records still need it. */
export function promoteKey(settings: KeyringSettings, id: string): KeyringSettings {
  expectState(
    settings,
    id,
    ['pending', 'enabled'],
    'promoted: stage it and wait until every replica shows it',
  )
  return { ...withState(settings, id, 'enabled'), primaryId: id }
}

/** Disables a key that is not the primary one: from then on it neither seals nor opens. */
export function retireKey(settings: KeyringSettings, id: string): KeyringSettings {
  if (id === settings.primaryId)
    throw new KeyFormatError(`key ${id} is the primary key: promote another first`)
  expectState(settings, id, ['pending', 'enabled'], 'retired')
  return withState(settings, id, 'disabled')
}

/** Takes the key out and leaves its check value in the history. */
export function removeKey(settings: KeyringSettings, id: string, retiredAt: string): KeyringSettings {
  const { key } = expectState(settings, id, ['disabled'], 'removed: retire it first')
  const retired = [...(settings.retired ?? []), { id, kcv: keyCheckValue(key), retiredAt }]
  return { ...settings, entries: settings.entries.filter((entry) => entry.id !== id), retired }
}

function withState(settings: KeyringSettings, id: string, state: KeyState): KeyringSettings {
  const entries = settings.entries.map((entry) => (entry.id === id ? { ...entry, state } : entry))
  return { ...settings, entries }
}

function expectState(
  { entries }: KeyringSettings,
  id: string,
  states: readonly KeyState[],
  action: string,
): KeyringEntry {
  const entry = entries.find((candidate) => candidate.id === id)
  if (!entry) throw new KeyFormatError(`the keyring has no key ${id}`)
  if (!states.includes(entry.state))
    throw new KeyFormatError(`key ${id} is ${entry.state} and cannot be ${action}`)
  return entry
}
