import { BoxError, createKeyring, type Digester, type Keyring, type KeyringSettings } from '@herald/crypto'
import { createDigests } from './digests.ts'
import { createCanaries, type Canaries, type CanaryHashes } from './domain/canary.ts'

/** The keyring in use, with what depends on it: all three change together, between two requests. */
export type LiveKeyring = {
  keyring: Keyring
  digest: Digester
  canaries: Canaries
  /** Takes another snapshot as a whole, or leaves everything as it is and throws. */
  replace(settings: KeyringSettings): Promise<void>
}

type Deps = {
  hashes: CanaryHashes
  randomBytes: (size: number) => Buffer
  onBoxError: (code: BoxError['code']) => void
}

/** Throws KeyringRefused when keyring and store do not belong together. */
export async function openLiveKeyring(settings: KeyringSettings, deps: Deps): Promise<LiveKeyring> {
  let current = await prepare(settings, deps)
  return {
    keyring: {
      get primaryId() {
        return current.keyring.primaryId
      },
      get keys() {
        return current.keyring.keys
      },
      seal: (context, plaintext) => current.keyring.seal(context, plaintext),
      open(context, box) {
        try {
          return current.keyring.open(context, box)
        } catch (error) {
          if (error instanceof BoxError) deps.onBoxError(error.code)
          throw error
        }
      },
    },
    digest: (domain, ...parts) => current.digest(domain, ...parts),
    canaries: { problems: () => current.canaries.problems() },
    async replace(next) {
      current = await prepare(next, deps)
    },
  }
}

/** A keyring that must not be used with this store; the message names key ids and check values, never keys. */
export class KeyringRefused extends Error {
  override name = 'KeyringRefused'
}

async function prepare(settings: KeyringSettings, { hashes, randomBytes }: Deps) {
  const keyring = createKeyring({ ...settings, randomBytes })
  const canaries = createCanaries(settings, { hashes, randomBytes })
  const problems = await canaries.problems()
  if (problems.length > 0) throw new KeyringRefused(problems.join('; '))
  return { keyring, digest: createDigests(settings), canaries }
}
