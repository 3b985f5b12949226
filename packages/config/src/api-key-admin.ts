import {
  type ApiKeyEntry,
  type ApiKeySettings,
  digestApiKey,
  formatHash,
  generateApiKey,
  parseApiKeys,
  parseEntries,
  type Scope,
} from '@herald/auth'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { apiKeyVariables } from './auth-variables.ts'
import { type Env, readVariables } from './read-variables.ts'
import { FileBusyError, replaceFile } from './replace-file.ts'

/** A command about API keys that was not carried out; the message holds no key. */
export class ApiKeysRefused extends Error {
  override name = 'ApiKeysRefused'
}

type World = { env: Env; now: () => number; randomBytes: (size: number) => Buffer }

export type NewApiKey = {
  scopes: readonly Scope[]
  service?: string
  environment: 'live' | 'test'
  /** Milliseconds since the epoch. */
  expiresAt?: number
  cidr: readonly string[]
  pepper?: string
  /** A new file for the key itself. */
  out?: string
}

export type ApiKeyState = 'active' | 'pending' | 'expired' | 'revoked'

/**
 * Makes a key and adds its entry to the file that API_KEYS_FILE names; without one the entry is the caller's to add. The
 * key is in the result, or in the file `out`, and nowhere else.
 */
export async function createApiKey(
  world: World,
  wanted: NewApiKey,
): Promise<{ entry: ApiKeyEntry; key?: string; file?: string }> {
  const { pepperId, pepper } = await pepperOf(world, wanted.pepper)
  const { environment, service, expiresAt, cidr, out } = wanted
  const { id, text } = generateApiKey({ environment, randomBytes: world.randomBytes })
  const entry: ApiKeyEntry = {
    id,
    ...(environment === 'test' && { environment }),
    hash: formatHash(pepperId, digestApiKey(text, pepper)),
    ...(service !== undefined && { service }),
    scopes: [...wanted.scopes],
    notBefore: new Date(world.now()).toISOString(),
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
    ...(cidr.length > 0 && { cidr: [...cidr] }),
  }
  assertEntry(entry)
  if (out !== undefined) writeNew(out, text)
  try {
    const file = changeEntries(world.env, (entries) => [...entries, entry])
    return { entry, ...(out === undefined && { key: text }), ...(file !== undefined && { file }) }
  } catch (error) {
    if (out !== undefined) rmSync(out, { force: true })
    throw error
  }
}

/** Every configured key, with what has become of it. */
export function listApiKeys({ env, now }: World): { entry: ApiKeyEntry; state: ApiKeyState }[] {
  const entries = readEntries(env)
  const settings = parseApiKeys(JSON.stringify(entries))
  return entries.map((entry, at) => ({ entry, state: stateOf(settings[at], now()) }))
}

/** Marks a key as revoked from now on; a key that is revoked stays so since it was. */
export function revokeApiKey({ env, now }: World, id: string): { entry: ApiKeyEntry; file?: string } {
  const found = readEntries(env).find((entry) => entry.id === id)
  if (!found) throw new ApiKeysRefused('there is no key of this id')
  const revoked = { ...found, revokedAt: found.revokedAt ?? new Date(now()).toISOString() }
  const file = changeEntries(env, (entries) => entries.map((entry) => (entry.id === id ? revoked : entry)))
  return { entry: revoked, ...(file !== undefined && { file }) }
}

async function pepperOf({ env }: World, wanted: string | undefined) {
  const { API_KEY_PEPPERS } = apiKeyVariables
  const { values } = await readVariables(z.object({ API_KEY_PEPPERS }), { env })
  const peppers = values.API_KEY_PEPPERS
  const pepperId = wanted ?? [...(peppers?.keys() ?? [])].at(-1)
  const pepper = pepperId === undefined ? undefined : peppers?.get(pepperId)
  if (pepperId !== undefined && pepper !== undefined) return { pepperId, pepper }
  throw new ApiKeysRefused(
    wanted === undefined
      ? 'API_KEY_PEPPERS must be set, to {"p1":"..."} with a secret made, for example, by: openssl rand -hex 32'
      : 'API_KEY_PEPPERS does not hold this pepper',
  )
}

/** Undefined when the list stands in a variable, which nobody can change from here. */
function changeEntries(env: Env, change: (entries: ApiKeyEntry[]) => ApiKeyEntry[]): string | undefined {
  const path = env['API_KEYS_FILE'] || undefined
  if (path === undefined) return undefined
  try {
    replaceFile(path, (text) => `${JSON.stringify(change(entriesOf(text)), undefined, 2)}\n`)
  } catch (error) {
    if (error instanceof FileBusyError) throw new ApiKeysRefused(error.message)
    throw error
  }
  return path
}

function readEntries(env: Env): ApiKeyEntry[] {
  const path = env['API_KEYS_FILE'] || undefined
  return entriesOf(path === undefined ? env['API_KEYS'] : readExisting(path))
}

function readExisting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function entriesOf(text: string | undefined): ApiKeyEntry[] {
  if (text === undefined || text.trim() === '') return []
  try {
    return parseEntries(text)
  } catch (error) {
    throw new ApiKeysRefused(`API_KEYS ${(error as Error).message}`)
  }
}

function assertEntry(entry: ApiKeyEntry): void {
  try {
    parseEntries(JSON.stringify([entry]))
  } catch {
    throw new ApiKeysRefused(
      'service must be 1 to 64 letters, digits, dots, dashes or underscores, cidr a network',
    )
  }
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, `${text}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new ApiKeysRefused(`${path} exists; a key goes into a new file`)
  }
}

function stateOf(settings: ApiKeySettings | undefined, now: number): ApiKeyState {
  const { notBefore = -Infinity, expiresAt = Infinity, revokedAt = Infinity } = settings ?? {}
  if (revokedAt <= now) return 'revoked'
  if (expiresAt <= now) return 'expired'
  return notBefore <= now ? 'active' : 'pending'
}
