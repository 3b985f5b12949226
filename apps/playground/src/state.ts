import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type State = {
  /** Files for the `NAME_FILE` variables of both services, one development secret each. */
  keyFiles: { apiKey: string; adminApiKey: string; hmacSecret: string; encryptionKey: string }
  /** The API key as a header line, for `curl -H @FILE`. */
  headerFile: string
  dataFolder: string
}

/** Opens the folder (0700) with its keys (0600), making what is missing; keys made once are kept and never shown. */
export function openState(folder: string, randomBytes: (size: number) => Buffer): State {
  const keys = join(folder, 'keys')
  const dataFolder = join(folder, 'data')
  for (const path of [folder, keys, dataFolder]) makePrivateFolder(path)

  const keep = (name: string, make: () => string) => keepSecret(join(keys, name), make)
  const keyFiles = {
    apiKey: keep('api-key', () => randomBytes(32).toString('base64url')),
    adminApiKey: keep('admin-api-key', () => randomBytes(32).toString('base64url')),
    hmacSecret: keep('hmac-secret', () => randomBytes(32).toString('base64url')),
    encryptionKey: keep('encryption-key', () => `base64:${randomBytes(32).toString('base64')}`),
  }
  const headerFile = join(folder, 'headers')
  writePrivateFile(headerFile, `X-API-Key: ${readFileSync(keyFiles.apiKey, 'utf8')}\n`)
  return { keyFiles, headerFile, dataFolder }
}

/** Replaces the file in one step, readable by its owner alone. */
export function writePrivateFile(path: string, text: string): void {
  const next = `${path}.next`
  rmSync(next, { force: true })
  writeFileSync(next, text, { mode: 0o600, flag: 'wx' })
  renameSync(next, path)
}

/** The file's text, or undefined when there is no such file. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o700)
}

function keepSecret(path: string, make: () => string): string {
  if (readIfPresent(path)) chmodSync(path, 0o600)
  else writePrivateFile(path, make())
  return path
}
