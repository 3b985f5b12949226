import {
  addKey,
  keyCheckValue,
  promoteKey,
  removeKey,
  retireKey,
  stageKey,
  type KeyringEntry,
  type KeyringSettings,
} from '@herald/crypto'
import { createHashes } from '@herald/storage'
import { readSingleKey } from '../../config.ts'
import { canaryHash, canaryOf } from '../../domain/canary.ts'
import { countByKey } from '../../domain/census.ts'
import { createSealedRecords } from '../../store/sealed-records.ts'
import type { CommandWorld } from '../../world.ts'
import { withStore } from '../with-store.ts'
import {
  changeExistingKeyring,
  changeKeyringFile,
  KeyringFileError,
  readKeyringFile,
} from './keyring-file.ts'
import { canOpenWith, disagreeing, sealsWithoutKey } from './replicas.ts'

const keyBytes = 32

export type Replicas = { replica: string[]; offline?: boolean }

/** A change that was not made, and why; each line for itself. */
export class KeyChangeRefused extends Error {
  override name = 'KeyChangeRefused'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** Writes a new key into the file: into a new one as its primary key, into an existing one as disabled. */
export function generateKey(path: string, world: CommandWorld, options: { id?: string }): string {
  const key = world.randomBytes(keyBytes)
  const id = options.id ?? `k${keyCheckValue(key)}`
  const createdAt = new Date(world.now()).toISOString()
  changeKeyringFile(path, (found) =>
    found ? addKey(found, { id, key, createdAt }) : ringOf({ id, key, createdAt }),
  )
  return id
}

/** Begins the file with the one key of the environment, under the id that its boxes name already. */
export async function adoptKey(path: string, world: CommandWorld): Promise<string> {
  const adopted = await readSingleKey(world.env)
  if (!adopted) throw new KeyringFileError('HERALD_TOTP_ENCRYPTION_KEY must be set to be adopted')
  changeKeyringFile(path, (found) => {
    if (found) throw new KeyringFileError(`${path} exists already, so nothing is adopted into it`)
    return adopted
  })
  return adopted.primaryId
}

function ringOf(entry: Omit<KeyringEntry, 'state'>): KeyringSettings {
  return { primaryId: entry.id, entries: [{ ...entry, state: 'enabled' }] }
}

/** Lets replicas open with a key once they have the file; none seals with it yet. */
export function stage(path: string, id: string): string {
  changeExistingKeyring(path, (settings) => stageKey(settings, id))
  return id
}

/** Nothing changes unless every replica named can open with the key. */
export async function promote(
  path: string,
  id: string,
  world: CommandWorld,
  replicas: Replicas,
): Promise<string> {
  const settings = readKeyringFile(path)
  promoteKey(settings, id)
  await agree(replicas, canOpenWith(id, kcvOf(settings, id)))
  await withStore(world, async (store) => {
    const canary = canaryOf(settings, id, world.randomBytes).active
    await createHashes(store.handle, { prefix: 'totp:' }).write(canaryHash, { [id]: canary })
  })
  changeExistingKeyring(path, (settings) => promoteKey(settings, id))
  return id
}

/** Nothing changes while a replica named seals with the key, or a record needs it. */
export async function retire(
  path: string,
  id: string,
  world: CommandWorld,
  replicas: Replicas,
): Promise<string> {
  const settings = readKeyringFile(path)
  retireKey(settings, id)
  await agree(replicas, sealsWithoutKey(id))
  await withStore(world, async (store) => {
    const needed = (await countByKey(createSealedRecords(store.handle))).get(id) ?? 0
    if (needed > 0) throw new KeyChangeRefused([`${needed} records need key ${id}: run main.js rekey first`])
    const { retired } = canaryOf(settings, id, world.randomBytes)
    await createHashes(store.handle, { prefix: 'totp:' }).write(canaryHash, { [id]: retired })
  })
  changeExistingKeyring(path, (settings) => retireKey(settings, id))
  return id
}

/** Takes a retired key out of the file for good. */
export function remove(path: string, id: string, world: CommandWorld): string {
  const at = new Date(world.now()).toISOString()
  changeExistingKeyring(path, (settings) => removeKey(settings, id, at))
  return id
}

async function agree(
  { replica, offline }: Replicas,
  judge: Parameters<typeof disagreeing>[1],
): Promise<void> {
  if (replica.length === 0 && !offline)
    throw new KeyChangeRefused(['name every replica with --replica URL, or say --offline when none runs'])
  const problems = await disagreeing(replica, judge)
  if (problems.length > 0) throw new KeyChangeRefused(problems)
}

function kcvOf({ entries }: KeyringSettings, id: string): string {
  const entry = entries.find((candidate) => candidate.id === id)
  if (!entry) throw new TypeError('promoteKey lets no unknown key come here')
  return keyCheckValue(entry.key)
}
