import { base32 } from '@otplib/plugin-base32-scure'
import { crypto } from '@otplib/plugin-crypto-node'
import { generateSync } from 'otplib/functional'
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

/** The code of one time step. */
export function codeAt(secret: Uint8Array, parameters: TotpParameters, step: number): string {
  return generateSync({
    strategy: 'hotp',
    secret,
    counter: step,
    algorithm: hashNames[parameters.algorithm],
    digits: parameters.digits,
    crypto,
  })
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
  const current = stepAt(guess.now, guess.parameters.periodSeconds)
  let matched: number | undefined
  for (let step = Math.max(0, current - guess.skew); step <= current + guess.skew; step += 1) {
    const expected = codeAt(guess.secret, guess.parameters, step)
    if (crypto.constantTimeEqual(expected, guess.code)) matched = step
  }
  return matched
}

/** Base32 without padding (RFC 4648, section 6), the form authenticator apps take. */
export function toBase32(secret: Uint8Array): string {
  return base32.encode(secret, { padding: false })
}
