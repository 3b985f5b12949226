import { createHmac, type BinaryLike, type KeyObject } from 'node:crypto'

/** What X-Service may hold. Without a colon the three signed parts can be told apart in one way only. */
export const servicePattern = /^[A-Za-z0-9._-]{1,64}$/

/** HMAC-SHA-256 over `timestamp:service:body`, the body as its raw bytes. Neither method nor path is covered. */
export function macV1(
  secret: BinaryLike | KeyObject,
  signed: { timestamp: string; service: string; body: Uint8Array },
): Buffer {
  return createHmac('sha256', secret)
    .update(`${signed.timestamp}:${signed.service}:`)
    .update(signed.body)
    .digest()
}

/** The X-Signature of a v1 request: lowercase hex. */
export function signV1(options: {
  secret: string
  timestampSeconds: number
  service: string
  body: Uint8Array
}): string {
  const { secret, timestampSeconds, service, body } = options
  return macV1(secret, { timestamp: String(timestampSeconds), service, body }).toString('hex')
}

/** Signs as the callers do. The headers hold for five minutes and for whichever path they are sent to. */
export function createSigner(options: {
  secret: string
  service: string
  keyId?: string
  now: () => number
}): (body: Uint8Array) => Record<string, string> {
  const { secret, service, keyId, now } = options
  if (!servicePattern.test(service)) {
    throw new TypeError('service must be 1 to 64 letters, digits, dots, dashes or underscores')
  }
  return (body) => {
    const timestampSeconds = Math.floor(now() / 1000)
    return {
      'X-Timestamp': String(timestampSeconds),
      'X-Service': service,
      'X-Signature': signV1({ secret, timestampSeconds, service, body }),
      ...(keyId === undefined ? {} : { 'X-Key-Id': keyId }),
    }
  }
}
