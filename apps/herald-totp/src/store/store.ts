/** Backup codes in a set; the store keeps one bit for each slot. */
export const backupSlots = 10

export type Algorithm = 'SHA1' | 'SHA256' | 'SHA512'

/** An authenticator in use; `box` is its sealed secret. */
export type Credential = {
  id: string
  box: string
  algorithm: Algorithm
  digits: 6 | 7 | 8
  periodSeconds: number
  label: string
  /** Milliseconds since the epoch. */
  createdAt: number
}

/** A start that waits for its first right code. Times in milliseconds since the epoch; valid while now < expiresAt. */
export type Enrollment = Omit<Credential, 'id'> & { id: string; subject: string; expiresAt: number }

export type SubjectRecord = {
  /** Changes when a credential comes or goes, not at each use, and is never used again for the subject. */
  version: number
  credentials: readonly Credential[]
  /** Sealed set of the backup codes. */
  backupSet?: string
}

/** What a code was found to be, before the store decides whether it counts. */
export type Verdict =
  | { kind: 'totp'; credentialId: string; periodSeconds: number; step: number }
  | { kind: 'backup'; slot: number }
  | { kind: 'wrong'; guessed: 'totp' | 'backup' }

export type Verification = {
  subject: string
  /** The version that findSubject gave, or 'unknown' when it gave nothing. */
  version: number | 'unknown'
  verdict: Verdict
  /** Digest of the challenge id; claimed by success alone. */
  challenge?: string
  now: number
}

export type Settled =
  | { outcome: 'accepted'; backupCodesRemaining: number }
  | { outcome: 'wrong' }
  | { outcome: 'replayed' }
  | { outcome: 'locked'; retryAfterSeconds: number }
  | { outcome: 'gone' }
  /** The store may have lost the uses of a moment ago, so it takes no step that could have been used by then. */
  | { outcome: 'floored'; retryAfterSeconds: number }

export type Status = {
  credentials: readonly (Omit<Credential, 'box'> & { lastUsedAt?: number })[]
  backupCodesRemaining: number
  /** Until when TOTP codes are not looked at, in milliseconds since the epoch. */
  lockedUntil?: number
}

export type EnrollmentCreated =
  | { outcome: 'created' }
  | { outcome: 'already_enrolled' }
  | { outcome: 'rate_limited'; retryAfterSeconds: number }

export type EnrollmentVerdict =
  | { kind: 'wrong' }
  | { kind: 'right'; credential: Credential; firstStep: number; backupSet: string }

/** Every verb is one atomic operation and throws StoreUnavailable when the store cannot be relied on. */
export type TotpStore = {
  /** Takes from the subject's hourly starts, and of too many pending ones drops the oldest. */
  createEnrollment(enrollment: Enrollment, now: number): Promise<EnrollmentCreated>
  findEnrollment(id: string, now: number): Promise<Enrollment | undefined>
  /** Credential, its first used step and the backup set land together or not at all; the last allowed wrong code burns the enrolment. */
  settleEnrollment(
    id: string,
    verdict: EnrollmentVerdict,
    now: number,
  ): Promise<'activated' | 'wrong' | 'gone'>
  /** Only a read: what it gives, and above all that it gives nothing, counts once `settleVerification` has settled on it. */
  findSubject(subject: string): Promise<SubjectRecord | undefined>
  /** Decides, counts and consumes in one: of parallel equal calls one is accepted, and no more guesses are answered than the budget holds. */
  settleVerification(verification: Verification): Promise<Settled>
  /** Deletes credentials, backup codes, pending enrolments and counts; `request` seen before does nothing. */
  revoke(subject: string, request: string | undefined, now: number): Promise<void>
  /** Clears the failure counts. */
  unlock(subject: string): Promise<void>
  status(subject: string, now: number): Promise<Status | undefined>
  ping(): Promise<void>
  /** Lets a tiny write land, at most once a second however often it is asked. */
  probeWrite(): Promise<void>
  close(): Promise<void>
}

export type StorePolicy = {
  startsPerHour: number
  failuresPerHour: number
  lockAfterFailures: number | 'off'
  backupFailuresPerHour: number
  challengeTtlSeconds: number
  pendingMax: number
  enrollmentFailuresMax: number
  requestTtlSeconds: number
  /** How many steps ahead of its time a code may be; see `floored`. */
  skew: number
}

export type StoreOptions = {
  policy: StorePolicy
  /** Which of the 65,536 counters an unknown subject's failures go to; a keyed hash. */
  unknownSlot: (subject: string) => number
  randomBytes: (size: number) => Buffer
}

/** A version that no earlier state of any subject had (48 random bits), so that a slow verify cannot outlive a revoke. */
export function newVersion(randomBytes: (size: number) => Buffer): number {
  return randomBytes(6).readUIntBE(0, 6)
}

/** Sorts the oldest credential first. */
export function byAge(one: Credential, other: Credential): number {
  return one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1)
}
