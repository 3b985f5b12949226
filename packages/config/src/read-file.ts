import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs'
import { isOnReadOnlyMount } from './mounts.ts'

const bytesMax = 64 * 1024

/** A file as it was read once, and what its permissions let others do; `message` reads on after a variable's name. */
export type FileReading =
  | { ok: true; text: string; writableByOthers: boolean; readableByOthers: boolean }
  | { ok: false; message: string }

export type ReadFile = (path: string) => FileReading

/**
 * Reads a small text file. One that everybody can read counts as private all the same under /run/secrets and on a
 * read-only mount, where orchestrators put secrets with that mode.
 */
export function readConfigFile(path: string): FileReading {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      return readDescriptor(descriptor, path)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    return { ok: false, message: openFailure(error) }
  }
}

function readDescriptor(descriptor: number, path: string): FileReading {
  const { mode } = fstatSync(descriptor)
  if ((mode & constants.S_IFMT) !== constants.S_IFREG)
    return { ok: false, message: 'must name a regular file' }
  const bytes = readToEnd(descriptor)
  if (bytes.length > bytesMax) return { ok: false, message: 'names a file larger than 64 KiB' }
  const text = decode(bytes)
  if (text === undefined) return { ok: false, message: 'names a file that is not UTF-8 text' }
  return {
    ok: true,
    text,
    writableByOthers: (mode & 0o022) !== 0,
    readableByOthers: (mode & 0o004) !== 0 && !isGuarded(realpathSync(path)),
  }
}

/** At most one byte more than is allowed; a stated size is not believed, since some file systems state none. */
function readToEnd(descriptor: number): Buffer {
  const buffer = Buffer.alloc(bytesMax + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < buffer.length; length += read) {
    read = readSync(descriptor, buffer, { offset: length })
  }
  return buffer.subarray(0, length)
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function isGuarded(realPath: string): boolean {
  return realPath.startsWith('/run/secrets/') || isOnReadOnlyMount(realPath, readMounts())
}

/** Empty where the system has no such table, so that nothing counts as read-only there. */
function readMounts(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}

function openFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'names a file that does not exist'
  return 'names a file that cannot be read'
}
