import { timingSafeEqual } from 'node:crypto'

/** Compares in constant time; false at once on unequal lengths, so compare digests where the length is a secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}
