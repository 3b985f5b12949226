import { equalBytes, sha256 } from '@herald/crypto'
import { unnamedService, type Principal, type Scope } from './principal.ts'
import { failure, skip, success, type Scheme } from './scheme.ts'

/**
 * Compares SHA-256 digests in constant time, so that neither length nor prefix of a key shows, and always against
 * every key. Throws a TypeError on an empty key and on one text under two ids.
 */
export function createApiKeyScheme(
  keys: readonly { id: string; key: string; scopes: readonly Scope[] }[],
): Scheme {
  if (keys.some(({ key }) => key === '')) throw new TypeError('An API key must not be empty')
  if (new Set(keys.map(({ key }) => key)).size < keys.length) {
    throw new TypeError('Two API keys of different rights must not be the same text')
  }
  const known = keys.map(({ id, key, scopes }) => {
    const principal: Principal = {
      service: unnamedService('api-key', id),
      keyId: id,
      scheme: 'api-key',
      scopes,
    }
    return { digest: sha256(key), principal }
  })

  return ({ headers }) => {
    const presented = headers('x-api-key')
    if (presented === undefined) return skip
    // Node hands header bytes over as Latin-1: this is what was on the wire, UTF-8 keys included.
    const digest = sha256(Buffer.from(presented, 'latin1'))
    const fitting = known.filter((one) => equalBytes(one.digest, digest))
    return fitting[0] ? success(fitting[0].principal) : failure('bad_key')
  }
}
