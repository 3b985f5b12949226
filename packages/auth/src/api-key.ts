import { equalBytes, sha256 } from '@herald/crypto'
import type { ApiKeySettings } from './api-key-list.ts'
import { digestApiKey, readApiKey } from './api-key-text.ts'
import { unnamedService, type Principal, type Scope } from './principal.ts'
import {
  failure,
  skip,
  success,
  type AuthRefusal,
  type Outcome,
  type Scheme,
  type SignedRequest,
} from './scheme.ts'

type LegacyKey = { id: string; key: string; scopes: readonly Scope[] }
type IssuedKey = ApiKeySettings & { pepper: string; principal: Principal }

/**
 * Judges X-API-Key: a legacy key by comparing digests in constant time, always with every one; an issued key by the one
 * entry of its id. Throws a TypeError on an empty key, on one text under two ids, and on a pepper that is not there.
 */
export function createApiKeyScheme(options: {
  legacy: readonly LegacyKey[]
  issued: readonly ApiKeySettings[]
  peppers: ReadonlyMap<string, string>
  now: () => number
}): Scheme {
  const legacyPrincipal = createLegacyKeys(options.legacy)
  const issuedOutcome = createIssuedKeys(options)
  return (request) => {
    const presented = request.headers('x-api-key')
    if (presented === undefined) return skip
    const principal = legacyPrincipal(presented)
    return principal ? success(principal) : issuedOutcome(presented, request)
  }
}

function createLegacyKeys(keys: readonly LegacyKey[]): (presented: string) => Principal | undefined {
  if (keys.some(({ key }) => key === '')) throw new TypeError('An API key must not be empty')
  if (new Set(keys.map(({ key }) => key)).size < keys.length) {
    throw new TypeError('Two API keys of different rights must not be the same text')
  }
  const known = keys.map(({ id, key, scopes }) => ({
    digest: sha256(key),
    principal: principalOf({ id, scopes }),
  }))
  return (presented) => {
    // Node hands header bytes over as Latin-1: this is what was on the wire, UTF-8 keys included.
    const digest = sha256(Buffer.from(presented, 'latin1'))
    const fitting = known.filter((one) => equalBytes(one.digest, digest))
    return fitting[0]?.principal
  }
}

function createIssuedKeys(options: {
  issued: readonly ApiKeySettings[]
  peppers: ReadonlyMap<string, string>
  now: () => number
}): (presented: string, request: SignedRequest) => Outcome {
  const byId = new Map(options.issued.map((settings) => [settings.id, issuedKey(settings, options.peppers)]))
  const [decoyPepper = ''] = options.peppers.values()
  const decoyDigest = Buffer.alloc(32)

  return (presented, request) => {
    const stated = readApiKey(presented)
    if (!stated) return failure('bad_key')
    const entry = byId.get(stated.id)
    const fits = equalBytes(
      digestApiKey(presented, entry?.pepper ?? decoyPepper),
      entry?.digest ?? decoyDigest,
    )
    if (!entry || !fits || entry.environment !== stated.environment) return failure('bad_key')
    const refused = whyRefused(entry, request, options.now())
    return refused ? failure(refused) : success(entry.principal)
  }
}

function issuedKey(settings: ApiKeySettings, peppers: ReadonlyMap<string, string>): IssuedKey {
  const pepper = peppers.get(settings.pepperId)
  if (pepper === undefined) throw new TypeError('An issued API key names a pepper that is not configured')
  return { ...settings, pepper, principal: principalOf(settings) }
}

function whyRefused(entry: IssuedKey, request: SignedRequest, now: number): AuthRefusal | undefined {
  const { notBefore = -Infinity, expiresAt = Infinity, revokedAt = Infinity, service, isFrom } = entry
  if (now < notBefore || now >= expiresAt || now >= revokedAt) return 'inactive_key'
  if (isFrom && !isFrom(request.remoteAddress ?? '')) return 'network'
  const claimed = request.headers('x-service')
  if (service !== undefined && claimed !== undefined && claimed !== service) return 'wrong_service'
  return undefined
}

function principalOf(key: { id: string; service?: string; scopes: readonly Scope[] }): Principal {
  const { id, service = unnamedService('api-key', id), scopes } = key
  return { service, keyId: id, scheme: 'api-key', scopes }
}
