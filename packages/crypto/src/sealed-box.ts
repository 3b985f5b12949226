import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject } from 'node:crypto'
import { equalBytes } from './equal-bytes.ts'
import { lengthPrefixed } from './length-prefixed.ts'
import type { Random } from './random.ts'

/** Where a box belongs. It opens there and nowhere else. */
export type BoxContext = { service: string; purpose: string; recordId: string; field: string }

export type BoxKey = { id: string; key: KeyObject }

export type ParsedBox = {
  keyId: string
  salt: Buffer
  commitment: Buffer
  nonce: Buffer
  sealed: Buffer
  tag: Buffer
}

export type BoxErrorCode = 'malformed' | 'unknown_key' | 'disabled_key' | 'mismatch'

/** A box that does not open: its text, its key, its place or its bytes are not what they were when it was sealed. */
export class BoxError extends Error {
  override name = 'BoxError'
  readonly code: BoxErrorCode

  constructor(code: BoxErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export const keyIdPattern = /^[a-z0-9-]{1,32}$/

const version = 'e1'
const saltBytes = 16
const commitmentBytes = 32
const nonceBytes = 12
const tagBytes = 16
const gcm = { authTagLength: tagBytes }
const sealedAt = saltBytes + commitmentBytes + nonceBytes
const boxPattern = /^e1\.([a-z0-9-]{1,32})\.([A-Za-z0-9_-]+)$/

/**
 * `e1.<key id>.<base64url(salt ‖ commitment ‖ nonce ‖ ciphertext ‖ tag)>`: AES-256-GCM under a key derived for this box
 * alone, which lifts GCM's limit on random nonces, and a commitment that ties the ciphertext to that one key.
 */
export function sealBox(
  key: BoxKey,
  context: BoxContext,
  plaintext: Uint8Array,
  randomBytes: Random,
): string {
  const salt = randomBytes(saltBytes)
  const nonce = randomBytes(nonceBytes)
  const { encryptionKey, commitment } = deriveBoxKeys(key, salt)
  const cipher = createCipheriv('aes-256-gcm', encryptionKey, nonce, gcm)
  cipher.setAAD(associatedData(key.id, context))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  const payload = Buffer.concat([salt, commitment, nonce, sealed, cipher.getAuthTag()])
  return `${version}.${key.id}.${payload.toString('base64url')}`
}

/** Takes the text apart without any key. Throws BoxError `malformed` on anything but the one spelling of a box. */
export function parseBox(box: string): ParsedBox {
  const [, keyId, text] = boxPattern.exec(box) ?? []
  if (keyId === undefined || text === undefined) throw malformed()
  const payload = Buffer.from(text, 'base64url')
  // Unused low bits of the last character would give one box several spellings.
  if (payload.byteLength < sealedAt + tagBytes || payload.toString('base64url') !== text) throw malformed()
  const tagAt = payload.byteLength - tagBytes
  return {
    keyId,
    salt: payload.subarray(0, saltBytes),
    commitment: payload.subarray(saltBytes, saltBytes + commitmentBytes),
    nonce: payload.subarray(saltBytes + commitmentBytes, sealedAt),
    sealed: payload.subarray(sealedAt, tagAt),
    tag: payload.subarray(tagAt),
  }
}

/** The id of the key that a box needs. Throws BoxError `malformed`. */
export function keyIdOfBox(box: string): string {
  return parseBox(box).keyId
}

/** Throws BoxError `mismatch` on another key, another place or changed bytes: it does not tell which. */
export function openBox(key: BoxKey, context: BoxContext, box: ParsedBox): Buffer {
  const { encryptionKey, commitment } = deriveBoxKeys(key, box.salt)
  if (!equalBytes(commitment, box.commitment)) throw mismatch()
  const decipher = createDecipheriv('aes-256-gcm', encryptionKey, box.nonce, gcm)
  decipher.setAAD(associatedData(key.id, context))
  decipher.setAuthTag(box.tag)
  const plaintext = decipher.update(box.sealed)
  try {
    decipher.final()
  } catch {
    throw mismatch()
  }
  return plaintext
}

function deriveBoxKeys(key: BoxKey, salt: Uint8Array): { encryptionKey: Buffer; commitment: Buffer } {
  const derived = Buffer.from(hkdfSync('sha256', key.key, salt, `enc/${version}|${key.id}`, 64))
  return { encryptionKey: derived.subarray(0, 32), commitment: derived.subarray(32) }
}

function associatedData(keyId: string, context: BoxContext): Buffer {
  const { service, purpose, recordId, field } = context
  return lengthPrefixed([version, keyId, service, purpose, recordId, field])
}

function malformed(): BoxError {
  return new BoxError('malformed', 'This is not a sealed box')
}

function mismatch(): BoxError {
  return new BoxError(
    'mismatch',
    'The sealed box does not open here: another key, another record or changed bytes',
  )
}
