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

/** The code of one time step, with its leading zeros. */
export function codeAt(secret: Uint8Array, parameters: TotpParameters, step: number): string {
  return String(numberAt(secret, parameters, step)).padStart(parameters.digits, '0')
}

/** The code as a number: HOTP (RFC 4226, section 5.3) with the step as its counter. */
function numberAt(secret: Uint8Array, { algorithm, digits }: TotpParameters, step: number): number {
  const counter = Buffer.allocUnsafe(8)
  counter.writeUInt32BE(Math.floor(step / 2 ** 32), 0)
  counter.writeUInt32BE(step % 2 ** 32, 4)
  // A digest as text costs less than one as bytes, and its last digit is the offset that the RFC calls for.
  const mac = createHmac(hashNames[algorithm], secret).update(counter).digest('hex')
  const at = 2 * Number.parseInt(mac.slice(-1), 16)
  return (Number.parseInt(mac.slice(at, at + 8), 16) & 0x7fffffff) % 10 ** digits
}

/**
 * The greatest step within `skew` steps of `now` (milliseconds) whose code was typed; `code` is digits alone. Every step is
 * computed and compared, whichever matches, and comparing two numbers takes the same time whatever they are.
 */
export function matchStep(guess: {
  secret: Uint8Array
  parameters: TotpParameters
  skew: number
  code: string
  now: number
}): number | undefined {
  const { digits, periodSeconds } = guess.parameters
  // A number does not show leading zeros: fewer digits than the credential's are no code of it.
  const typed = guess.code.length === digits ? Number(guess.code) : Number.NaN
  const current = stepAt(guess.now, periodSeconds)
  let matched: number | undefined
  for (let step = Math.max(0, current - guess.skew); step <= current + guess.skew; step += 1) {
    if (numberAt(guess.secret, guess.parameters, step) === typed) matched = step
  }
  return matched
}

/** Base32 without padding (RFC 4648, section 6), the form authenticator apps take. */
export function toBase32(secret: Uint8Array): string {
  return base32.encode(secret, { padding: false })
}
