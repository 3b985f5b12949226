import { deriveKey } from '@herald/crypto'
import type { Once } from '@herald/storage'

const purpose = 'herald-smtp/digests'
const yearsSeconds = 10 * 365 * 86_400

/**
 * The key of fingerprints, Message-IDs and address digests, the same on every replica and after every restart. It comes
 * from what callers prove themselves with, so that a copy of the store gives no code away; where callers need no
 * credential, from a random value that the first start leaves in the store.
 */
export async function obtainDigestKey(
  credentials: readonly string[],
  deps: { once: Once; now: () => number; randomBytes: (size: number) => Buffer },
): Promise<Buffer> {
  if (credentials.length > 0) return deriveKey(Buffer.from(JSON.stringify(credentials)), purpose)
  const fresh = deps.randomBytes(32).toString('base64url')
  const { value } = await deps.once.putIfAbsent('digest-key', fresh, yearsSeconds, deps.now())
  return deriveKey(Buffer.from(value, 'base64url'), purpose)
}
