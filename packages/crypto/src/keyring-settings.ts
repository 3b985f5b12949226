import { KeyFormatError, keyCheckValue, parseKeyBytes } from './key-bytes.ts'
import type { KeyringEntry, KeyringSettings, KeyState, RetiredKey } from './keyring.ts'

/**
 * Reads `{"primary":"k2","keys":[{"id":"k2","key":"base64:…","state":"enabled","created":"…"}]}` and, beside them,
 * `"retired":[{"id":"k1","kcv":"…","at":"…"}]`. Throws KeyFormatError that names the place by its position and never a value.
 */
export function parseKeyringJson(text: string): KeyringSettings {
  const { primary, keys, retired } = exactObject(
    parseJson(text),
    ['primary', 'keys', 'retired'],
    'the keyring',
  )
  if (typeof primary !== 'string') throw new KeyFormatError('primary must be the id of a key')
  if (!Array.isArray(keys)) throw new KeyFormatError('keys must be a list')
  const settings = {
    primaryId: primary,
    entries: keys.map((key, index) => parseEntry(key, `keys[${index}]`)),
  }
  return retired === undefined ? settings : { ...settings, retired: parseRetired(retired) }
}

/** The text that parseKeyringJson reads; it holds the keys. */
export function formatKeyringJson({ primaryId, entries, retired }: KeyringSettings): string {
  const keys = entries.map(({ id, key, state, createdAt }) => ({
    id,
    key: `base64:${key.toString('base64')}`,
    state,
    created: createdAt,
  }))
  const history = retired?.map(({ id, kcv, retiredAt }) => ({ id, kcv, at: retiredAt }))
  return `${JSON.stringify({ primary: primaryId, keys, retired: history }, undefined, 2)}\n`
}

/** The keyring of one configured key, named after its check value so that its id survives a move to a keyring. */
export function singleKeyring(key: Buffer): KeyringSettings {
  const id = `k${keyCheckValue(key)}`
  return { primaryId: id, entries: [{ id, key, state: 'enabled' }] }
}

function parseEntry(value: unknown, where: string): KeyringEntry {
  const { id, key, state, created } = exactObject(value, ['id', 'key', 'state', 'created'], where)
  if (typeof id !== 'string') throw new KeyFormatError(`${where}.id must be text`)
  if (typeof key !== 'string') throw new KeyFormatError(`${where}.key must be text`)
  if (!isKeyState(state)) throw new KeyFormatError(`${where}.state must be pending, enabled or disabled`)
  if (created !== undefined && !isDate(created)) throw new KeyFormatError(`${where}.created must be a date`)
  const entry: KeyringEntry = { id, key: keyAt(where, key), state }
  return created === undefined ? entry : { ...entry, createdAt: created }
}

function parseRetired(value: unknown): RetiredKey[] {
  if (!Array.isArray(value)) throw new KeyFormatError('retired must be a list')
  return value.map((item, index) => {
    const { id, kcv, at } = exactObject(item, ['id', 'kcv', 'at'], `retired[${index}]`)
    if (typeof id !== 'string' || typeof kcv !== 'string' || !isDate(at)) {
      throw new KeyFormatError(`retired[${index}] must have an id, a check value and a date`)
    }
    return { id, kcv, retiredAt: at }
  })
}

function keyAt(where: string, text: string): Buffer {
  try {
    return parseKeyBytes(text)
  } catch (error) {
    if (error instanceof KeyFormatError) throw new KeyFormatError(`${where}.key ${error.message}`)
    throw error
  }
}

/** JSON.parse quotes its input in its errors, so none of them leaves this function. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new KeyFormatError('the keyring must be JSON')
  }
}

function exactObject(value: unknown, fields: readonly string[], where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new KeyFormatError(`${where} must be an object`)
  }
  if (Object.keys(value).some((name) => !fields.includes(name))) {
    throw new KeyFormatError(`${where} may hold ${fields.join(', ')} and nothing else`)
  }
  return { ...value }
}

function isKeyState(value: unknown): value is KeyState {
  return value === 'pending' || value === 'enabled' || value === 'disabled'
}

function isDate(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value))
}
