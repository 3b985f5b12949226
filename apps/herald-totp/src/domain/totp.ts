import { equalBytes } from '@herald/crypto'
import { base32 } from '@otplib/plugin-base32-scure'
import { createHmac } from 'node:crypto'
import type { Algorithm, Credential } from '../store/store.ts'

/** What a credential was enrolled with; it outlives any change of the service's settings. */
export type TotpParameters = Pick<Credential, 'algorithm' | 'digits' | 'periodSeconds'>

/** The algorithm of new enrolments: the only one every authenticator app computes. */
export const enrollmentAlgorithm: Algorithm = 'SHA1'

/** Length of a new secret: RFC 4226, section 4, recommends 160 bits. */
export const secretBytes = 20

const hashNames = { SHA1: 'sha1', SHA256: 'sha256', SHA512: 'sha512' } as const

/** The time step (RFC 6238, section 4.2) that `now`, in milliseconds, lies in. */
export function stepAt(now: number, periodSeconds: number): number {
  return Math.floor(now / 1000 / periodSeconds)
}

/** The code of one time step: HOTP (RFC 4226, section 5.3) with the step as its counter. */
export function codeAt(secret: Uint8Array, { algorithm, digits }: TotpParameters, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeUInt32BE(Math.floor(step / 2 ** 32), 0)
  counter.writeUInt32BE(step % 2 ** 32, 4)
  const mac = createHmac(hashNames[algorithm], secret).update(counter).digest()
  const at = mac.readUInt8(mac.length - 1) & 0x0f
  const number = (mac.readUInt32BE(at) & 0x7fffffff) % 10 ** digits
  return String(number).padStart(digits, '0')
}

/**
 * The greatest step within `skew` steps of `now` (milliseconds) whose code was typed. Every step is computed and
 * compared in constant time, whichever matches.
 */
export function matchStep(guess: {
  secret: Uint8Array
  parameters: TotpParameters
  skew: number
  code: string
  now: number
}): number | undefined {
  const typed = Buffer.from(guess.code, 'latin1')
  const current = stepAt(guess.now, guess.parameters.periodSeconds)
  let matched: number | undefined
  for (let step = Math.max(0, current - guess.skew); step <= current + guess.skew; step += 1) {
    const expected = codeAt(guess.secret, guess.parameters, step)
    if (equalBytes(Buffer.from(expected, 'latin1'), typed)) matched = step
  }
  return matched
}

/** Base32 without padding (RFC 4648, section 6), the form authenticator apps take. */
export function toBase32(secret: Uint8Array): string {
  return base32.encode(secret, { padding: false })
}
