import { equalBytes, randomSymbols, sha256, type Random } from '@herald/crypto'
import { backupSlots } from '../store/store.ts'

const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const symbolsPerCode = 16

/**
 * A set is a byte that names its scheme, then its slots end to end: bytes rather than JSON, since a set is most of what a
 * subject takes in the store. `s1` is a salt and half of the SHA-256 over salt and code: 128 bits, where a code of ours has 80
 * random ones.
 */
const s1 = { tag: 1, saltBytes: 12, digestBytes: 16 } as const

type Slot = { salt: Buffer; digest: Buffer }

/**
 * Ten new codes as a person reads them, and the set that is sealed and stored in their place. Drawn all at once: a draw costs
 * far more than its bytes.
 */
export function createBackupCodes(randomBytes: Random): { codes: string[]; set: Buffer } {
  const symbols = randomSymbols(randomBytes, alphabet, backupSlots * symbolsPerCode)
  const salts = randomBytes(backupSlots * s1.saltBytes)
  const codes = Array.from({ length: backupSlots }, (_, index) =>
    symbols.slice(index * symbolsPerCode, (index + 1) * symbolsPerCode),
  )
  const slots = codes.flatMap((code, index) => {
    const salt = salts.subarray(index * s1.saltBytes, (index + 1) * s1.saltBytes)
    return [salt, digestOf(salt, code)]
  })
  return { codes: codes.map(inGroups), set: Buffer.concat([Buffer.of(s1.tag), ...slots]) }
}

/** The slot that holds these symbols, used or not. Every slot is digested and compared, whichever matches. */
export function matchSlot(set: Buffer, symbols: string): number | undefined {
  let matched: number | undefined
  for (const [index, { salt, digest }] of readSlots(set).entries()) {
    if (equalBytes(digestOf(salt, symbols), digest)) matched = index
  }
  return matched
}

function readSlots(set: Buffer): Slot[] {
  const slotBytes = s1.saltBytes + s1.digestBytes
  if (set[0] !== s1.tag || set.byteLength !== 1 + backupSlots * slotBytes)
    throw new Error('a backup set is not of a form that we write')
  return Array.from({ length: backupSlots }, (_, index) => {
    const at = 1 + index * slotBytes
    const digestAt = at + s1.saltBytes
    return { salt: set.subarray(at, digestAt), digest: set.subarray(digestAt, at + slotBytes) }
  })
}

function digestOf(salt: Buffer, symbols: string): Buffer {
  return sha256(Buffer.concat([salt, Buffer.from(symbols, 'ascii')])).subarray(0, s1.digestBytes)
}

function inGroups(symbols: string): string {
  return symbols.replace(/.{4}(?=.)/g, '$&-')
}
