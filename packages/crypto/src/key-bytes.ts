import { createHmac, type KeyObject } from 'node:crypto'

export const keyBytes = 32

/** A key or keyring that cannot be used. The message says what to write instead and never repeats what was given. */
export class KeyFormatError extends Error {
  override name = 'KeyFormatError'
}

const hexDigits = /^[0-9A-Fa-f]{64}$/
const base64Text = /^[A-Za-z0-9+/]{43}=?$/
const oneOfThree = 'write base64: and 44 base64 characters, hex: and 64 hex digits, or 32 bytes of text'

/**
 * Reads exactly 32 bytes from `base64:`, `hex:`, `raw:` or bare text; nothing is cut or padded. What `openssl rand`
 * prints is refused without its prefix, because its characters would otherwise count as key bytes.
 */
export function parseKeyBytes(text: string): Buffer {
  if (text.startsWith('hex:')) return parseHex(text.slice(4))
  if (text.startsWith('base64:')) return parseBase64(text.slice(7))
  if (text.startsWith('raw:')) return parseRaw(text.slice(4))
  refuseBareEncoding(text)
  return parseRaw(text)
}

function parseHex(digits: string): Buffer {
  if (!hexDigits.test(digits)) throw new KeyFormatError('hex: must be followed by exactly 64 hex digits')
  return Buffer.from(digits, 'hex')
}

function parseBase64(text: string): Buffer {
  const key = Buffer.from(text, 'base64')
  const canonical = key.toString('base64')
  if (!base64Text.test(text) || canonical !== text.padEnd(44, '=')) {
    throw new KeyFormatError(
      'base64: must be followed by the base64 form of exactly 32 bytes (44 characters)',
    )
  }
  return key
}

function parseRaw(text: string): Buffer {
  const key = Buffer.from(text, 'utf8')
  if (key.byteLength !== keyBytes) {
    throw new KeyFormatError(`must be 32 bytes and has ${key.byteLength}: ${oneOfThree}`)
  }
  return key
}

function refuseBareEncoding(text: string): void {
  if (hexDigits.test(text)) throw new KeyFormatError('looks like 64 hex digits: write hex: in front of them')
  if (base64Text.test(text)) {
    throw new KeyFormatError('looks like 32 bytes in base64: write base64: in front of it')
  }
}

/** Tells keys apart without showing them: the first 4 bytes of HMAC-SHA-256(key, "kcv"), in hex. */
export function keyCheckValue(key: Uint8Array | KeyObject): string {
  return createHmac('sha256', key).update('kcv').digest('hex').slice(0, 8)
}
