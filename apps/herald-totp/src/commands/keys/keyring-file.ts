import { FileBusyError, replaceFile } from '@herald/config'
import {
  KeyFormatError,
  createKeyring,
  formatKeyringJson,
  parseKeyringJson,
  type KeyringSettings,
} from '@herald/crypto'
import { readFileSync } from 'node:fs'

/** A keyring file that is not as the command needs it. */
export class KeyringFileError extends Error {
  override name = 'KeyringFileError'
}

/** Throws a KeyringFileError on what is no keyring, and when there is no such file. */
export function readKeyringFile(path: string): KeyringSettings {
  try {
    return parse(path, readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(path)
    throw error
  }
}

/** Replaces the file in one step, as `replaceFile` does. One change at a time. */
export function changeKeyringFile(
  path: string,
  change: (settings: KeyringSettings | undefined) => KeyringSettings,
): void {
  try {
    replaceFile(path, (text) =>
      formatKeyringJson(checked(change(text === undefined ? undefined : parse(path, text)))),
    )
  } catch (error) {
    if (error instanceof FileBusyError) throw new KeyringFileError(error.message)
    throw error
  }
}

/** As `changeKeyringFile`, for a file that is there; throws a KeyringFileError when it is not. */
export function changeExistingKeyring(
  path: string,
  change: (settings: KeyringSettings) => KeyringSettings,
): void {
  changeKeyringFile(path, (found) => {
    if (found) return change(found)
    throw missing(path)
  })
}

function missing(path: string): KeyringFileError {
  return new KeyringFileError(`${path} does not exist: main.js keys generate begins it`)
}

function parse(path: string, text: string): KeyringSettings {
  try {
    return parseKeyringJson(text)
  } catch (error) {
    if (error instanceof KeyFormatError) throw new KeyringFileError(`${path}: ${error.message}`)
    throw error
  }
}

function checked(settings: KeyringSettings): KeyringSettings {
  createKeyring({ ...settings, randomBytes: (size) => Buffer.alloc(size) })
  return settings
}
