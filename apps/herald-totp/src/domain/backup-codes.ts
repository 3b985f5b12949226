import { equalBytes, randomSymbols, sha256, type Random } from '@herald/crypto'
import { backupSlots } from '../store/store.ts'

const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const symbolsPerCode = 16
const saltBytes = 16

/** One slot of a backup set: `s1` is SHA-256 over salt and code, enough for the 80 random bits of a code of ours. */
type Slot = { scheme: 's1'; salt: string; digest: string }

/** Ten new codes as a person reads them, and the set that is sealed and stored in their place. */
export function createBackupCodes(randomBytes: Random): { codes: string[]; set: string } {
  const symbols = Array.from({ length: backupSlots }, () =>
    randomSymbols(randomBytes, alphabet, symbolsPerCode),
  )
  const slots = symbols.map((code): Slot => {
    const salt = randomBytes(saltBytes)
    return {
      scheme: 's1',
      salt: salt.toString('base64url'),
      digest: digest(salt, code).toString('base64url'),
    }
  })
  return { codes: symbols.map(inGroups), set: JSON.stringify(slots) }
}

/** The slot that holds these symbols, used or not. Every slot is digested and compared, whichever matches. */
export function matchSlot(set: string, symbols: string): number | undefined {
  let matched: number | undefined
  for (const [index, slot] of (JSON.parse(set) as Slot[]).entries()) {
    const candidate = digest(Buffer.from(slot.salt, 'base64url'), symbols)
    if (equalBytes(candidate, Buffer.from(slot.digest, 'base64url'))) matched = index
  }
  return matched
}

function digest(salt: Buffer, symbols: string): Buffer {
  return sha256(Buffer.concat([salt, Buffer.from(symbols, 'ascii')]))
}

function inGroups(symbols: string): string {
  return symbols.replace(/.{4}(?=.)/g, '$&-')
}
