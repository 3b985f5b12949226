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
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** Another change of the file is under way, or was broken off. */
export class FileBusyError extends Error {
  override name = 'FileBusyError'
}

/**
 * Replaces a private file in one step: whoever reads it finds the old text or the new one, and a crash leaves either.
 * `change` gets undefined when there is no file yet. Throws a FileBusyError when two change it at once.
 */
export function replaceFile(path: string, change: (text: string | undefined) => string): void {
  const target = statSync(path, { throwIfNoEntry: false }) ? realpathSync(path) : path
  const draft = `${target}.new`
  const descriptor = openDraft(draft)
  try {
    const found = statSync(target, { throwIfNoEntry: false })
    // Unlike writeSync, it never stops short without an error.
    writeFileSync(descriptor, change(found && readFileSync(target, 'utf8')))
    if (found) {
      // The service may run as another user than the operator.
      fchownSync(descriptor, found.uid, found.gid)
      fchmodSync(descriptor, found.mode & 0o640)
    }
    fsyncSync(descriptor)
    renameSync(draft, target)
    syncFolder(dirname(target))
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

function openDraft(draft: string): number {
  try {
    return openSync(draft, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new FileBusyError(`${draft} exists: another change is under way, or was broken off; then remove it`)
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}
