import { sha256 } from '@herald/crypto'
import { createHmac, type BinaryLike, type KeyObject } from 'node:crypto'
import { servicePattern } from './signature-v1.ts'

/** What a v2 signature covers; `path` and `query` as they stand in the request line, `keyId` empty when none is sent. */
export type SignedV2 = {
  method: string
  path: string
  query: string
  timestamp: string
  nonce: string
  service: string
  keyId: string
  body: Uint8Array
}

/**
 * HMAC-SHA-256 over nine lines, the last of them the SHA-256 of the body. Throws a TypeError on a field with a line
 * feed in it, since it could be read as two.
 */
export function macV2(secret: BinaryLike | KeyObject, signed: SignedV2): Buffer {
  const { method, path, query, timestamp, nonce, service, keyId, body } = signed
  const fields = [method.toUpperCase(), path, query, timestamp, nonce, service, keyId]
  if (fields.some((field) => field.includes('\n')))
    throw new TypeError('No signed field may hold a line feed')
  const lines = ['HERALD-HMAC-V2', ...fields, sha256(body).toString('hex')]
  return createHmac('sha256', secret).update(lines.join('\n')).digest()
}

/** The X-Signature of a v2 request: lowercase hex. */
export function signV2({ secret, ...signed }: SignedV2 & { secret: string }): string {
  return macV2(secret, signed).toString('hex')
}

/** Signs as Herald 1.x does. The headers hold for one request: this method, path, query and body, once. */
export function createSignerV2(options: {
  secret: string
  service: string
  keyId?: string
  now: () => number
  randomBytes: (size: number) => Buffer
}): (request: { method: string; path: string; query?: string; body?: Uint8Array }) => Record<string, string> {
  const { secret, service, keyId = '', now, randomBytes } = options
  if (!servicePattern.test(service)) {
    throw new TypeError('service must be 1 to 64 letters, digits, dots, dashes or underscores')
  }
  return ({ method, path, query = '', body = new Uint8Array() }) => {
    const timestamp = String(Math.floor(now() / 1000))
    const nonce = randomBytes(16).toString('hex')
    return {
      'X-Signature-Version': 'v2',
      'X-Timestamp': timestamp,
      'X-Nonce': nonce,
      'X-Service': service,
      'X-Signature': signV2({ secret, method, path, query, timestamp, nonce, service, keyId, body }),
      ...(keyId !== '' && { 'X-Key-Id': keyId }),
    }
  }
}
