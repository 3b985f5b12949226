import {
  KeyFormatError,
  createKeyring,
  formatKeyringJson,
  parseKeyringJson,
  type KeyringSettings,
} from '@herald/crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** A keyring file that is not as the command needs it. */
export class KeyringFileError extends Error {
  override name = 'KeyringFileError'
}

/** Undefined when there is no such file. */
export function readKeyringFile(path: string): KeyringSettings | undefined {
  try {
    return parseKeyringJson(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof KeyFormatError) throw new KeyringFileError(`${path}: ${error.message}`)
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Replaces the file in one step: whoever reads it finds the old keyring or the new one. The new text is on disk before it
 * takes the old one's place, readable by the owner alone. One change at a time.
 */
export function changeKeyringFile(
  path: string,
  change: (settings: KeyringSettings | undefined) => KeyringSettings,
): KeyringSettings {
  const target = targetOf(path)
  const draft = `${target}.new`
  const descriptor = openDraft(draft)
  try {
    const next = checked(change(readKeyringFile(target)))
    keepOwner(descriptor, target)
    writeSync(descriptor, formatKeyringJson(next))
    fsyncSync(descriptor)
    renameSync(draft, target)
    syncFolder(dirname(target))
    return next
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

/** A link to the file stays a link. */
function targetOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) ? realpathSync(path) : path
}

function openDraft(draft: string): number {
  try {
    return openSync(draft, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new KeyringFileError(
      `${draft} exists: another change is under way, or was broken off; then remove it`,
    )
  }
}

/** The service may run as another user than the operator. */
function keepOwner(descriptor: number, target: string): void {
  const found = statSync(target, { throwIfNoEntry: false })
  if (!found) return
  fchownSync(descriptor, found.uid, found.gid)
  fchmodSync(descriptor, found.mode & 0o640)
}

function checked(settings: KeyringSettings): KeyringSettings {
  createKeyring({ ...settings, randomBytes: (size) => Buffer.alloc(size) })
  return settings
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}
