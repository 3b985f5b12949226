import { equalBytes, sha256 } from '@herald/crypto'
import { decoyKey, isActive, takesV1, type HmacKey, type HmacKeys } from './hmac-keys.ts'
import { unnamedService, type Principal, type Scope } from './principal.ts'
import { failure, skip, success, type AuthRefusal, type Scheme, type SignedRequest } from './scheme.ts'
import { driftSeconds, parseSignatureHeaders, type SignatureHeaders } from './signature-headers.ts'
import { macV1, servicePattern } from './signature-v1.ts'

const windowSeconds = 300

/** HMAC v1: order of checks is syntax, path, window, MAC. A key id that is no use costs a MAC like any other. */
export function createHmacV1Scheme(options: {
  keys: HmacKeys
  scopes: readonly Scope[]
  getPaths: readonly string[]
  now: () => number
}): Scheme {
  const { keys, scopes, getPaths, now } = options
  return (request) => {
    if (!isPresented(request)) return skip
    const presented = parse(request)
    if (!presented) return failure('malformed')
    const { service, keyId } = presented

    if (request.method !== 'POST' && !(request.method === 'GET' && getPaths.includes(request.path))) {
      return failure('unsigned_path')
    }
    const time = now()
    if (driftSeconds(presented.timestamp, time) > windowSeconds) return failure('window')

    const configured = candidatesOf(keys, keyId)
    const usable = configured.filter((key) => isActive(key, time) && takesV1(key, time))
    const key = keyThatSigned(usable.length > 0 ? usable : [decoyKey], presented, request.body)
    if (usable.length === 0) return failure(whyNone(configured, time))
    if (!key) return failure('bad_signature')
    if (key.service !== undefined && key.service !== service) return failure('wrong_service')
    return success(principalOf(key, presented, scopes))
  }
}

function isPresented({ headers }: SignedRequest): boolean {
  return [headers('x-signature'), headers('x-timestamp'), headers('x-key-id')].some(
    (value) => value !== undefined,
  )
}

function parse(request: SignedRequest): SignatureHeaders | undefined {
  const presented = parseSignatureHeaders(request)
  if (!presented || presented.keyId.includes(',')) return undefined
  return presented.service === '' || servicePattern.test(presented.service) ? presented : undefined
}

function candidatesOf(keys: HmacKeys, keyId: string): readonly HmacKey[] {
  if (keyId === '') return keys.unstated
  const stated = keys.stated(keyId)
  return stated ? [stated] : []
}

function whyNone(configured: readonly HmacKey[], time: number): AuthRefusal {
  if (configured.length === 0) return 'unknown_key_id'
  return configured.some((key) => isActive(key, time)) ? 'version' : 'inactive_key'
}

/** Tries every candidate to the end, so that the time taken does not tell which one fitted. */
function keyThatSigned(
  candidates: readonly HmacKey[],
  { signature, timestamp, service }: SignatureHeaders,
  body: Uint8Array,
): HmacKey | undefined {
  let found: HmacKey | undefined
  for (const candidate of candidates) {
    const expected = macV1(candidate.secret, { timestamp, service, body })
    if (equalBytes(expected, signature)) found = candidate
  }
  return found
}

function principalOf(
  key: HmacKey,
  { service, signature }: SignatureHeaders,
  scopes: readonly Scope[],
): Principal {
  return {
    service: service === '' ? unnamedService('hmac-v1', key.id) : service,
    keyId: key.id,
    scheme: 'hmac-v1',
    scopes: key.scopes ?? scopes,
    // The key id is left out: it is not signed, so naming another id for the same secret must not look like news.
    signature: sha256(signature),
  }
}
