import { confirmMarker, type StoreSettings } from '@herald/storage'
import { createHash, randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { openTotpStore, totpLayout, type OpenTotpStore } from './open-totp-store.ts'
import type { Credential, Enrollment, StorePolicy, TotpStore, Verdict, Verification } from './store.ts'
import { newEnrollmentId } from './subject-tag.ts'

export const policy: StorePolicy = {
  startsPerHour: 20,
  failuresPerHour: 20,
  lockAfterFailures: 100,
  backupFailuresPerHour: 20,
  challengeTtlSeconds: 900,
  pendingMax: 5,
  enrollmentFailuresMax: 5,
  requestTtlSeconds: 660,
  skew: 1,
}

/** Where the tests' clocks stand; each passes its own time to every verb. */
export const start = Date.UTC(2026, 10, 21)

/** The TOTP step at a time. */
export const stepAt = (now: number): number => Math.floor(now / 30_000)

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A store that can be opened more than once and damaged from outside. */
export type TestStore = {
  open: (over?: Partial<StorePolicy>) => Promise<OpenTotpStore>
  /** What an operator's `store confirm` does. */
  confirm: () => Promise<void>
  loseMarker: () => Promise<void>
  /** Leaves a closed store as a stop does that was not in order, or a Redis that was taken over by another process. */
  interrupt: () => Promise<void>
  /** Loses everything. */
  empty: () => Promise<void>
}

export type TestEngine = { name: string; skip: boolean; create: () => TestStore }

/** Opens and confirms by the settings; the marker's clock moves with every look at it, so that a confirmation is later than what it confirms. */
export function openedBy(settings: StoreSettings, keyPrefix = ''): Pick<TestStore, 'open' | 'confirm'> {
  let markerTime = start
  const now = () => (markerTime += 1000)
  const deps = { keyPrefix, now, randomBytes, logger: silent, noticesStops: true }
  return {
    async open(over = {}) {
      const options = { policy: { ...policy, ...over }, unknownSlot: slotOf }
      const store = await openTotpStore(settings, { ...deps, ...options })
      onTestFinished(() => store.close())
      return store
    },
    async confirm() {
      await confirmMarker(settings, { ...totpLayout, ...deps })
    },
  }
}

/** Which counter an unknown subject has. */
export function slotOf(subject: string): number {
  return createHash('sha256').update(subject).digest().readUInt16BE()
}

export function newEnrollment(subject: string, now = start): Enrollment {
  const settings = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const
  const id = newEnrollmentId(subject, randomBytes)
  const times = { createdAt: now, expiresAt: now + 600_000 }
  return { id, subject, label: `label of ${subject}`, box: `box of ${id}`, ...settings, ...times }
}

export function credentialOf(
  { id, label, algorithm, digits, periodSeconds }: Enrollment,
  now: number,
): Credential {
  const credentialId = `c_${id}`
  return {
    id: credentialId,
    box: `box of ${credentialId}`,
    algorithm,
    digits,
    periodSeconds,
    label,
    createdAt: now,
  }
}

/** What confirms an enrolment with the code of the step at `now`. */
export function rightCode(enrollment: Enrollment, now = start) {
  const credential = credentialOf(enrollment, now)
  return { kind: 'right' as const, credential, firstStep: stepAt(now), backupSet: `set of ${enrollment.id}` }
}

/** That the code of a step was right. */
export function verdictOf(credentialId: string, step: number): Verdict {
  return { kind: 'totp', credentialId, periodSeconds: 30, step }
}

/** Enrols a subject and gives what its verifications need. */
export async function enrol(store: TotpStore, subject: string, now = start) {
  const enrollment = newEnrollment(subject, now)
  await store.createEnrollment(enrollment, now)
  await store.settleEnrollment(enrollment.id, rightCode(enrollment, now), now)
  const record = await store.findSubject(subject)
  const credentialId = credentialOf(enrollment, now).id
  if (!record) throw new Error('the enrolment did not land')
  const settle = (verdict: Verdict, at: number, more: Partial<Verification> = {}) =>
    store.settleVerification({ subject, version: record.version, verdict, now: at, ...more })
  return {
    enrollment,
    credentialId,
    version: record.version,
    settle,
    /** Settles the right code of a step. */
    use: (step: number, at: number, more?: Partial<Verification>) =>
      settle(verdictOf(credentialId, step), at, more),
    useSlot: (slot: number, at: number, more?: Partial<Verification>) =>
      settle({ kind: 'backup', slot }, at, more),
    guess: (guessed: 'totp' | 'backup', at: number, more?: Partial<Verification>) =>
      settle({ kind: 'wrong', guessed }, at, more),
  }
}
