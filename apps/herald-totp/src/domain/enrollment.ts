import type { Keyring, Random } from '@herald/crypto'
import type { Credential, Enrollment, TotpStore } from '../store/store.ts'
import { newEnrollmentId } from '../store/subject-tag.ts'
import { createBackupCodes } from './backup-codes.ts'
import { readCode } from './code.ts'
import { keyUri } from './key-uri.ts'
import { backupContext, credentialContext, enrollmentContext } from './box-context.ts'
import { enrollmentAlgorithm, matchStep, secretBytes, toBase32, type TotpParameters } from './totp.ts'

export type EnrollmentOptions = {
  issuer: string
  digits: TotpParameters['digits']
  periodSeconds: number
  skew: number
  ttlSeconds: number
}

/** `expiresAt` is in seconds since the epoch. */
export type Started =
  | { ok: true; enrollmentId: string; secretBase32: string; keyUri: string; expiresAt: number }
  | { ok: false; reason: 'already_enrolled' }
  | { ok: false; reason: 'rate_limited'; retryAfterSeconds: number }

export type Confirmed =
  | { ok: true; subject: string; credentialId: string; backupCodes: string[] }
  | { ok: false; reason: 'expired' | 'wrong_confirmation' }

export type Enrollments = {
  /** Opens an enrolment: nothing is enabled before `confirm`. */
  start(request: { subject: string; label: string }): Promise<Started>
  /** Turns an enrolment into a credential with backup codes, all at once or not at all; the typed code is used up. */
  confirm(request: { enrollmentId: string; code: string; subject?: string | undefined }): Promise<Confirmed>
}

type Deps = {
  store: Pick<TotpStore, 'createEnrollment' | 'findEnrollment' | 'settleEnrollment'>
  keyring: Keyring
  now: () => number
  randomBytes: Random
}

export function createEnrollments(deps: Deps, options: EnrollmentOptions): Enrollments {
  return {
    start: (request) => start(deps, options, request),
    confirm: (request) => confirm(deps, options, request),
  }
}

async function start(
  { store, keyring, now, randomBytes }: Deps,
  { issuer, digits, periodSeconds, ttlSeconds }: EnrollmentOptions,
  { subject, label }: { subject: string; label: string },
): Promise<Started> {
  const createdAt = now()
  const expiresAt = createdAt + Math.round(ttlSeconds * 1000)
  const id = newEnrollmentId(subject, randomBytes)
  const secret = randomBytes(secretBytes)
  const parameters = { algorithm: enrollmentAlgorithm, digits, periodSeconds }
  const box = keyring.seal(enrollmentContext(subject, id), secret)
  const created = await store.createEnrollment(
    { id, subject, label, box, ...parameters, createdAt, expiresAt },
    createdAt,
  )
  if (created.outcome === 'already_enrolled') return { ok: false, reason: 'already_enrolled' }
  if (created.outcome === 'rate_limited')
    return { ok: false, reason: 'rate_limited', retryAfterSeconds: created.retryAfterSeconds }
  return {
    ok: true,
    enrollmentId: id,
    secretBase32: toBase32(secret),
    keyUri: keyUri({ issuer, account: label, parameters, secret }),
    expiresAt: Math.floor(expiresAt / 1000),
  }
}

async function confirm(
  deps: Deps,
  { skew }: EnrollmentOptions,
  request: { enrollmentId: string; code: string; subject?: string | undefined },
): Promise<Confirmed> {
  const at = deps.now()
  const enrollment = await deps.store.findEnrollment(request.enrollmentId, at)
  if (enrollment === undefined) return { ok: false, reason: 'expired' }
  if (request.subject !== undefined && request.subject !== enrollment.subject)
    return { ok: false, reason: 'expired' }

  const secret = deps.keyring.open(enrollmentContext(enrollment.subject, enrollment.id), enrollment.box)
  const code = readCode(request.code, [enrollment.digits])
  const firstStep =
    code.kind === 'totp'
      ? matchStep({ secret, parameters: enrollment, skew, code: code.digits, now: at })
      : undefined
  if (firstStep === undefined) {
    const settled = await deps.store.settleEnrollment(enrollment.id, { kind: 'wrong' }, at)
    return { ok: false, reason: settled === 'wrong' ? 'wrong_confirmation' : 'expired' }
  }
  return activate(deps, { enrollment, secret, firstStep, at })
}

async function activate(
  { store, keyring, randomBytes }: Deps,
  {
    enrollment,
    secret,
    firstStep,
    at,
  }: { enrollment: Enrollment; secret: Buffer; firstStep: number; at: number },
): Promise<Confirmed> {
  const { subject, label, algorithm, digits, periodSeconds } = enrollment
  const id = `c_${randomBytes(12).toString('base64url')}`
  const box = keyring.seal(credentialContext(subject, id), secret)
  const credential: Credential = { id, box, algorithm, digits, periodSeconds, label, createdAt: at }
  const backup = createBackupCodes(randomBytes)
  const backupSet = keyring.seal(backupContext(subject), backup.set)
  const settled = await store.settleEnrollment(
    enrollment.id,
    { kind: 'right', credential, firstStep, backupSet },
    at,
  )
  if (settled !== 'activated') return { ok: false, reason: 'expired' }
  return { ok: true, subject, credentialId: id, backupCodes: backup.codes }
}
