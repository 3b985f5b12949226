import { createSecretKey } from 'node:crypto'
import { KeyFormatError, keyBytes, keyCheckValue } from './key-bytes.ts'
import type { Random } from './random.ts'
import {
  BoxError,
  keyIdPattern,
  openBox,
  parseBox,
  sealBox,
  type BoxContext,
  type BoxKey,
} from './sealed-box.ts'

/** A pending key opens and never seals, so that every replica can read a new key before the first one writes with it. */
export type KeyState = 'pending' | 'enabled' | 'disabled'

export type KeyringEntry = {
  id: string
  /** 32 bytes. */
  key: Buffer
  state: KeyState
  createdAt?: string
}

/** A key that was removed; it stays known by its check value, so that it cannot come back as a new one. */
export type RetiredKey = { id: string; kcv: string; retiredAt: string }

export type KeyringSettings = {
  primaryId: string
  entries: readonly KeyringEntry[]
  retired?: readonly RetiredKey[]
}

export type Keyring = {
  primaryId: string
  /** What may be shown of the keys; `kcv` is the key check value, 8 hex digits. */
  keys: readonly { id: string; state: KeyState; kcv: string; createdAt?: string }[]
  /** Seals under the primary key. */
  seal(context: BoxContext, plaintext: Uint8Array): string
  /** Opens with the one key that the box names, never with another. Throws BoxError. */
  open(context: BoxContext, box: string): Buffer
}

/** Throws KeyFormatError unless the primary key is there and enabled, ids and keys are each different, and none was retired. */
export function createKeyring(options: KeyringSettings & { randomBytes: Random }): Keyring {
  const { primaryId, entries, randomBytes } = options
  const prepared = entries.map(prepare)
  refuseDuplicates(prepared)
  refuseRetired(prepared, options.retired ?? [])
  const byId = new Map(prepared.map((entry) => [entry.id, entry]))
  const primary = byId.get(primaryId)
  if (primary?.state !== 'enabled')
    throw new KeyFormatError('the primary key must be in the keyring and enabled')

  return {
    primaryId,
    keys: prepared.map(({ key: _key, ...visible }) => visible),
    seal: (context, plaintext) => sealBox(primary, context, plaintext, randomBytes),
    open(context, box) {
      const parsed = parseBox(box)
      return openBox(keyToOpen(byId, parsed.keyId), context, parsed)
    },
  }
}

type PreparedKey = BoxKey & { state: KeyState; kcv: string; createdAt?: string }

function prepare({ key, ...entry }: KeyringEntry): PreparedKey {
  if (!keyIdPattern.test(entry.id)) {
    throw new KeyFormatError('a key id must be 1 to 32 small letters, digits or dashes')
  }
  const secret = createSecretKey(key)
  if (secret.symmetricKeySize !== keyBytes) throw new KeyFormatError(`key ${entry.id} must be 32 bytes`)
  return { ...entry, key: secret, kcv: keyCheckValue(secret) }
}

function refuseDuplicates(keys: readonly PreparedKey[]): void {
  if (new Set(keys.map(({ id }) => id)).size < keys.length) {
    throw new KeyFormatError('each key of the keyring must have an id of its own')
  }
  const twin = keys.find((one, index) => keys.slice(0, index).some((other) => one.key.equals(other.key)))
  if (twin) throw new KeyFormatError(`key ${twin.id} is in the keyring under another id too`)
}

function refuseRetired(keys: readonly PreparedKey[], retired: readonly RetiredKey[]): void {
  const back = keys.find((key) => retired.some(({ id, kcv }) => id === key.id || kcv === key.kcv))
  if (back) throw new KeyFormatError(`key ${back.id} was retired, or its id was: generate a new one`)
}

function keyToOpen(keys: ReadonlyMap<string, PreparedKey>, keyId: string): BoxKey {
  const key = keys.get(keyId)
  if (!key)
    throw new BoxError('unknown_key', `The sealed box needs key ${keyId}, which the keyring does not have`)
  if (key.state === 'disabled')
    throw new BoxError('disabled_key', `The sealed box needs key ${keyId}, which is disabled`)
  return key
}
