import { createDigester, deriveKey, keyCheckValue } from '@herald/crypto'

/** What one secret gives the trail: MACs of lines, hashes of subjects, and a check value that tells keys apart. */
export type AuditKey = {
  /** First 4 bytes of an HMAC, as hex. */
  kcv: string
  /** 43 characters of base64url. */
  mac(text: Uint8Array): string
  /** 22 characters of base64url; equal for equal subjects under one key. */
  hashSubject(subject: string): string
}

/** Lines, checkpoints and subjects never meet: each is a domain of its own under the derived key. */
export function createAuditKey(secret: Uint8Array): AuditKey {
  const key = deriveKey(secret, 'herald/audit')
  const digest = createDigester(key)
  return {
    kcv: keyCheckValue(key),
    mac: (text) => digest('line', text).toString('base64url'),
    hashSubject: (subject) => digest('subject', subject).subarray(0, 16).toString('base64url'),
  }
}
