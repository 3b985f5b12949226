import { equalBytes } from '@herald/crypto'
import { decoyKey, isActive, isKeyId, type HmacKey, type HmacKeys } from './hmac-keys.ts'
import type { Scope } from './principal.ts'
import { failure, success, type Nonce, type Scheme, type SignedRequest } from './scheme.ts'
import { driftSeconds, parseSignatureHeaders, type SignatureHeaders } from './signature-headers.ts'
import { servicePattern } from './signature-v1.ts'
import { macV2 } from './signature-v2.ts'

/** Visible ASCII without the comma that joins headers sent twice. */
const noncePattern = /^[!-+\--~]{1,128}$/
/** A path and a query that hold no line feed, nor anything else that a request line cannot. */
const targetPattern = /^[!-~]*$/
/** How far the clocks of two replicas may be apart without a nonce being forgotten before its signature. */
const clocksApartSeconds = 60

type Presented = SignatureHeaders & { nonce: string }

/**
 * HMAC v2: order of checks is syntax, key, window, MAC, binding. What is right carries a nonce, which the caller has to
 * spend before the request does anything.
 */
export function createHmacV2Scheme(options: {
  keys: HmacKeys
  scopes: readonly Scope[]
  maxDriftSeconds: number
  now: () => number
}): Scheme {
  const { keys, scopes, maxDriftSeconds, now } = options
  const ttlSeconds = 2 * maxDriftSeconds + clocksApartSeconds
  return (request) => {
    const presented = parse(request)
    if (!presented) return failure('malformed')
    const { service, keyId, timestamp, signature } = presented

    const key = keyId === '' ? keys.pinned : keys.stated(keyId)
    const time = now()
    if (driftSeconds(timestamp, time) > maxDriftSeconds) return failure('window')
    const fits = equalBytes(macV2((key ?? decoyKey).secret, { ...request, ...presented }), signature)
    if (!key) return failure('unknown_key_id')
    if (!isActive(key, time)) return failure('inactive_key')
    if (!fits) return failure('bad_signature')
    if (key.service !== undefined && key.service !== service) return failure('wrong_service')

    const principal = { service, keyId: key.id, scheme: 'hmac-v2', scopes: key.scopes ?? scopes } as const
    return success(principal, { name: nameOf(key, presented), ttlSeconds })
  }
}

function parse(request: SignedRequest): Presented | undefined {
  const presented = parseSignatureHeaders(request)
  const nonce = request.headers('x-nonce') ?? ''
  if (!presented || !noncePattern.test(nonce) || !servicePattern.test(presented.service)) return undefined
  if (presented.keyId !== '' && !isKeyId(presented.keyId)) return undefined
  if (!targetPattern.test(request.path) || !targetPattern.test(request.query)) return undefined
  return { ...presented, nonce }
}

function nameOf({ digest }: HmacKey, { service, keyId, nonce }: Presented): Nonce['name'] {
  return digest('nonce', service, keyId, nonce).toString('base64url')
}
