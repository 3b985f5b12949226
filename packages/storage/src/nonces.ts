import { createOnce } from './once.ts'
import type { StoreHandle } from './store-handle.ts'

/**
 * Spends nonces: true for whoever comes first with a name until it expires, false for everybody after. Atomic across
 * replicas; StoreUnavailable when the store cannot tell. Names lie under `prefix`.
 */
export function createNonces(
  handle: StoreHandle,
  options: { prefix: string; now: () => number },
): (nonce: { name: string; ttlSeconds: number }) => Promise<boolean> {
  const { putIfAbsent } = createOnce(handle, options)
  return async ({ name, ttlSeconds }) => (await putIfAbsent(name, '', ttlSeconds, options.now())).created
}
