import { createHmac, createSecretKey, hash, hkdfSync } from 'node:crypto'
import { lengthPrefixed } from './length-prefixed.ts'

export type Digester = (domain: string, ...parts: (string | Uint8Array)[]) => Buffer

/** HMAC-SHA-256 over the domain and the parts, each length-prefixed: a digest of one domain never meets another's. */
export function createDigester(key: Uint8Array): Digester {
  const secret = createSecretKey(key)
  return (domain, ...parts) =>
    createHmac('sha256', secret)
      .update(lengthPrefixed([domain, ...parts]))
      .digest()
}

/** HKDF-SHA-256 (RFC 5869) without salt: 32 bytes for the one purpose that `info` names. */
export function deriveKey(key: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, 32))
}

export function sha256(data: string | Uint8Array): Buffer {
  return hash('sha256', data, 'buffer')
}
