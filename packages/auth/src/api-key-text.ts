import { randomSymbols, type Random } from '@herald/crypto'
import { createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'

export type ApiKeyEnvironment = 'live' | 'test'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const form = /^hk_(live|test)_([0-9A-Za-z]{10})_[0-9A-Za-z]{49}$/
const checkLength = 6

/** A new key with 256 bits of chance in it; its text is shown once and kept nowhere. */
export function generateApiKey(options: { environment: ApiKeyEnvironment; randomBytes: Random }): {
  id: string
  text: string
} {
  const { environment, randomBytes } = options
  const id = randomSymbols(randomBytes, base62, 10)
  const start = `hk_${environment}_${id}_${randomSymbols(randomBytes, base62, 43)}`
  return { id, text: start + checkOf(start) }
}

/** What the text of a key says of itself; undefined for a text that is no such key, or was mistyped. */
export function readApiKey(text: string): { environment: ApiKeyEnvironment; id: string } | undefined {
  const [, environment, id] = form.exec(text) ?? []
  if (environment === undefined || id === undefined) return undefined
  if (checkOf(text.slice(0, -checkLength)) !== text.slice(-checkLength)) return undefined
  return { environment: environment as ApiKeyEnvironment, id }
}

/** What is kept of a key: HMAC-SHA-256 of its text under a pepper, which lies elsewhere than the list. */
export function digestApiKey(text: string, pepper: string): Buffer {
  return createHmac('sha256', pepper).update(text, 'latin1').digest()
}

/** CRC-32 as six symbols: it finds typing errors and helps scanners, and secures nothing. */
function checkOf(text: string): string {
  let rest = crc32(text)
  let symbols = ''
  for (let place = 0; place < checkLength; place += 1) {
    symbols = base62.charAt(rest % base62.length) + symbols
    rest = Math.floor(rest / base62.length)
  }
  return symbols
}
