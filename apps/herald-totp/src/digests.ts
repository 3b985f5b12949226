import { createDigester, deriveKey, type Digester, type KeyringSettings } from '@herald/crypto'

/**
 * Digests for what must be recognised in the store but not read there. Keyed by the oldest enabled key, so that they
 * stay the same on every replica and while the primary key changes; docs/decisions/0007-verification-flow.md.
 */
export function createDigests(settings: KeyringSettings): Digester {
  return createDigester(deriveKey(oldestKey(settings), 'herald-totp/digests'))
}

/** The bytes of the enabled key that was there first. */
export function oldestKey({ entries }: KeyringSettings): Buffer {
  const [oldest] = entries
    .filter(({ state }) => state === 'enabled')
    .toSorted((one, other) => ageRank(one) - ageRank(other))
  if (oldest === undefined) throw new TypeError('a keyring has an enabled key')
  return oldest.key
}

/** A key without a date was there before dates were written down. */
function ageRank({ createdAt }: { createdAt?: string }): number {
  return createdAt === undefined ? Number.NEGATIVE_INFINITY : Date.parse(createdAt)
}
