import { createSecretKey } from 'node:crypto'
import { equalBytes, sha256 } from '@herald/crypto'
import type { HmacKey, HmacKeys } from './hmac-keys.ts'
import { unnamedService, type Principal, type Scope } from './principal.ts'
import { failure, skip, success, type Scheme, type SignedRequest } from './scheme.ts'
import { macV1, servicePattern } from './signature-v1.ts'

const windowSeconds = 300
const timestampPattern = /^(?:0|[1-9]\d{0,11})$/
const signaturePattern = /^[0-9a-f]{64}$/

type Presented = { signature: Buffer; timestamp: string; service: string; keyId: string | undefined }

/** HMAC v1: order of checks is syntax, path, window, MAC. An unknown key id costs a MAC like a known one. */
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
    const { signature, timestamp, service, keyId } = presented

    if (request.method !== 'POST' && !(request.method === 'GET' && getPaths.includes(request.path))) {
      return failure('unsigned_path')
    }
    const driftSeconds = Math.floor(now() / 1000) - Number(timestamp)
    if (Math.abs(driftSeconds) > windowSeconds) return failure('window')

    const candidates = keys(keyId)
    const key = keyThatSigned(candidates.length > 0 ? candidates : [decoy], presented, request.body)
    if (candidates.length === 0) return failure('unknown_key_id')
    if (!key) return failure('bad_signature')
    return success(principalOf({ keyId: key.id, service, scopes, signature }))
  }
}

const decoy: HmacKey = { id: 'decoy', secret: createSecretKey(Buffer.alloc(32)) }

function isPresented({ headers }: SignedRequest): boolean {
  return [headers('x-signature'), headers('x-timestamp'), headers('x-key-id')].some(
    (value) => value !== undefined,
  )
}

/** Headers sent twice arrive joined by a comma, which no pattern here lets through. */
function parse({ headers }: SignedRequest): Presented | undefined {
  const signature = headers('x-signature') ?? ''
  const timestamp = headers('x-timestamp') ?? ''
  const service = headers('x-service') ?? ''
  const keyId = headers('x-key-id') ?? ''
  if (!signaturePattern.test(signature) || !timestampPattern.test(timestamp)) return undefined
  if (service !== '' && !servicePattern.test(service)) return undefined
  if (keyId.includes(',')) return undefined
  return {
    signature: Buffer.from(signature, 'hex'),
    timestamp,
    service,
    keyId: keyId === '' ? undefined : keyId,
  }
}

/** Tries every candidate to the end, so that the time taken does not tell which one fitted. */
function keyThatSigned(
  candidates: readonly HmacKey[],
  { signature, timestamp, service }: Presented,
  body: Uint8Array,
): HmacKey | undefined {
  let found: HmacKey | undefined
  for (const candidate of candidates) {
    const expected = macV1(candidate.secret, { timestamp, service, body })
    if (equalBytes(expected, signature)) found = candidate
  }
  return found
}

function principalOf(proven: {
  keyId: string
  service: string
  scopes: readonly Scope[]
  signature: Buffer
}): Principal {
  const { keyId, service, scopes, signature } = proven
  return {
    service: service === '' ? unnamedService('hmac-v1', keyId) : service,
    keyId,
    scheme: 'hmac-v1',
    scopes,
    // The key id is left out: it is not signed, so naming another id for the same secret must not look like news.
    signature: sha256(signature),
  }
}
