import { createHmac } from 'node:crypto'

/** What both services and their originals are given. */
export const credentials = {
  apiKey: 'api-key-of-the-benchmark-4f81c0a97d23be65',
  hmacSecret: 'hmac-secret-of-the-benchmark-b1e09d7c55aa3f',
  service: 'bench',
} as const

export type Account = { subject: string; secret: Uint8Array }

const periodMs = 30_000
const modulus = 1_000_000

/** The time step (RFC 6238) that a time in milliseconds lies in. */
export function stepAt(now: number): number {
  return Math.floor(now / periodMs)
}

export function millisecondsToNextStep(now: number): number {
  return periodMs - (now % periodMs)
}

function codeNumber(secret: Uint8Array, step: number): number {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const digest = createHmac('sha1', secret).update(counter).digest()
  return (digest.readUInt32BE((digest.at(-1) ?? 0) & 15) & 0x7fffffff) % modulus
}

const sixDigits = (code: number): string => String(code).padStart(6, '0')

export function codeOf({ secret }: Account, step: number): string {
  return sixDigits(codeNumber(secret, step))
}

/** A code that no step near this one has. */
export function wrongCodeOf({ secret }: Account, step: number): string {
  const near = new Set([-3, -2, -1, 0, 1, 2, 3].map((offset) => codeNumber(secret, step + offset)))
  let code = codeNumber(secret, step)
  while (near.has(code)) code = (code + 1) % modulus
  return sixDigits(code)
}

/**
 * A whole request with API key and signature, as the original's own client sends it: that service takes a signature for as
 * long as the second of its timestamp lasts, then falls back to the key, which costs it less.
 */
export function signedRequest(method: 'GET' | 'POST', target: string, content: object | undefined): Buffer {
  const body = content === undefined ? '' : JSON.stringify(content)
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = createHmac('sha256', credentials.hmacSecret)
    .update(`${timestamp}:${credentials.service}:${body}`)
    .digest('hex')
  return Buffer.from(
    [
      `${method} ${target} HTTP/1.1`,
      'Host: 127.0.0.1',
      `X-API-Key: ${credentials.apiKey}`,
      `X-Timestamp: ${timestamp}`,
      `X-Service: ${credentials.service}`,
      `X-Signature: ${signature}`,
      ...(body === ''
        ? []
        : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
      '',
      body,
    ].join('\r\n'),
  )
}

export function verifyRequest({ subject }: Account, code: string): Buffer {
  return signedRequest('POST', '/v1/verify', { subject, code })
}
