import { BoxError, createKeyring, type Keyring, type KeyringSettings, type Random } from '@herald/crypto'

/** Where the canaries lie, one field a key: the check value, and a box or 'retired'. */
export const canaryHash = 'crypto:canary'
const retired = 'retired'
const value = Buffer.from('canary')

export type CanaryHashes = {
  read: (name: string) => Promise<Readonly<Record<string, string>>>
  complete: (
    name: string,
    fields: Readonly<Record<string, string>>,
  ) => Promise<Readonly<Record<string, string>>>
}

/**
 * A known value in the store under each key that seals or has sealed. It shows a key that has the right id and the wrong
 * bytes, and a keyring without a key that the store still needs, before a record does.
 */
export type Canaries = {
  /** What is wrong between keyring and store, by key id and check value; leaves canaries for enabled keys that have none. */
  problems(): Promise<string[]>
}

type Key = { id: string; kcv: string; ring: Keyring; canary: string }

export function createCanaries(
  settings: KeyringSettings,
  deps: { hashes: CanaryHashes; randomBytes: Random },
): Canaries {
  const keys = new Map(settings.entries.map(({ id }) => [id, prepare(settings, id, deps.randomBytes)]))
  const stateOf = new Map(settings.entries.map(({ id, state }) => [id, state]))
  const enabled = [...keys.values()].filter(({ id }) => stateOf.get(id) === 'enabled')
  const own = Object.fromEntries(enabled.map(({ id, canary }) => [id, canary]))

  function judge(id: string, text: string): string | undefined {
    const [kcv = '', box = ''] = text.split(' ')
    const key = keys.get(id)
    const state = stateOf.get(id)
    if (key && kcv !== key.kcv) return wrongKey(key, kcv)
    if (box === retired)
      return id === settings.primaryId
        ? `key ${id} (check value ${kcv}) is primary here but was retired`
        : undefined
    if (!key) return `the store needs key ${id} (check value ${kcv}), which the keyring does not have`
    if (state === 'disabled')
      return `the store needs key ${id} (check value ${kcv}), which is disabled but not retired`
    return opens(key, box) ? undefined : wrongKey(key, kcv)
  }

  const judgeAll = (found: Readonly<Record<string, string>>) =>
    Object.entries(found)
      .map(([id, text]) => judge(id, text))
      .filter((problem) => problem !== undefined)

  return {
    async problems() {
      const found = await deps.hashes.read(canaryHash)
      const problems = judgeAll(found)
      // A keyring that does not belong here leaves nothing behind.
      if (problems.length > 0 || enabled.every(({ id }) => Object.hasOwn(found, id))) return problems
      return judgeAll(await deps.hashes.complete(canaryHash, own))
    },
  }
}

/** What stands for a key: its canary, or that it is retired. */
export function canaryOf(
  settings: KeyringSettings,
  id: string,
  randomBytes: Random,
): Record<'active' | 'retired', string> {
  const { kcv, canary } = prepare(settings, id, randomBytes)
  return { active: canary, retired: `${kcv} ${retired}` }
}

function prepare(settings: KeyringSettings, id: string, randomBytes: Random): Key {
  const entries = settings.entries
    .filter((entry) => entry.id === id)
    .map((entry) => ({ ...entry, state: 'enabled' as const }))
  const ring = createKeyring({ primaryId: id, entries, randomBytes })
  const kcv = ring.keys[0]?.kcv ?? ''
  return { id, kcv, ring, canary: `${kcv} ${ring.seal(contextOf(id), value)}` }
}

function opens({ id, ring }: Key, box: string): boolean {
  try {
    return ring.open(contextOf(id), box).equals(value)
  } catch (error) {
    if (error instanceof BoxError) return false
    throw error
  }
}

function contextOf(id: string) {
  return { service: 'herald-totp', purpose: 'canary', recordId: id, field: 'value' }
}

function wrongKey({ id, kcv }: Key, expected: string): string {
  return `key ${id} is the wrong one: its check value is ${kcv}, the store was sealed with ${expected}`
}
