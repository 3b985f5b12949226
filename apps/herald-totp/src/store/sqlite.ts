import { prepareTakeToken, type SqliteHandle } from '@herald/storage'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import {
  countFailure,
  failuresAt,
  guessedBy,
  noFailures,
  waitMs,
  type Failures,
  type Guessed,
} from './budget.ts'
import {
  damaged,
  describeCredential,
  parseCredentials,
  parseEnrollment,
  parseFailures,
  parseUses,
  type Use,
} from './record.ts'
import {
  backupSlots,
  byAge,
  newVersion,
  type Credential,
  type Enrollment,
  type EnrollmentCreated,
  type EnrollmentVerdict,
  type Settled,
  type Status,
  type StoreOptions,
  type SubjectRecord,
  type TotpStore,
  type Verdict,
  type Verification,
} from './store.ts'
import { subjectTag, tagOfEnrollmentId } from './subject-tag.ts'

/** The subject whose code is being settled. */
type Found = { tag: string; uses: readonly Use[]; slots: string; failures: Failures }
type Row = Record<string, SQLOutputValue>
type Statements = ReturnType<typeof prepareStatements>
type Deps = {
  handle: SqliteHandle
  sql: Statements
  takeToken: ReturnType<typeof prepareTakeToken>
  options: StoreOptions
}

/** Rows that no longer count are deleted this much later, so that a clock set back a little does not revive them. */
const collectAfterMs = 60_000

/** The store in a SQLite file: each verb is one transaction or one snapshot. */
export function createSqliteStore(handle: SqliteHandle, options: StoreOptions): TotpStore {
  const { database } = handle
  const sql = prepareStatements(database)
  const deps: Deps = { handle, sql, takeToken: prepareTakeToken(database), options }
  const { settle, read } = handle
  return {
    createEnrollment: (enrollment, now) => settle(() => createEnrollment(deps, enrollment, now)),
    findEnrollment: (id, now) => read(() => findEnrollment(deps, id, now)),
    settleEnrollment: (id, verdict, now) => settle(() => settleEnrollment(deps, id, verdict, now)),
    findSubject: (subject) => read(() => findSubject(deps, subjectTag(subject))),
    settleVerification: (verification) => settle(() => settleVerification(deps, verification)),
    revoke: (subject, request, now) => settle(() => revoke(deps, subject, request, now)),
    unlock: (subject) =>
      settle(() => {
        sql.writeFailures.run(null, subjectTag(subject))
      }),
    status: (subject, now) => read(() => status(deps, subjectTag(subject), now)),
    ping: () => handle.ping(),
    probeWrite: () => handle.probeWrite(),
    close: () => handle.close(),
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string) => database.prepare(text)
  return {
    isEnrolled: prepare('SELECT 1 FROM subjects WHERE tag = ?'),
    enrolled: prepare('SELECT version, credentials, backup_set FROM subjects WHERE tag = ?'),
    used: prepare('SELECT version, uses, backup_slots, failures FROM subjects WHERE tag = ?'),
    status: prepare('SELECT credentials, uses, backup_slots, failures FROM subjects WHERE tag = ?'),
    insertSubject: prepare('INSERT INTO subjects VALUES (?, ?, ?, ?, ?, ?, ?, NULL)'),
    deleteSubject: prepare('DELETE FROM subjects WHERE tag = ?'),
    accept: prepare('UPDATE subjects SET uses = ?, backup_slots = ?, failures = NULL WHERE tag = ?'),
    writeFailures: prepare('UPDATE subjects SET failures = ? WHERE tag = ?'),
    enrollment: prepare('SELECT record, wrong_codes FROM enrollments WHERE id = ? AND expires_at > ?'),
    insertEnrollment: prepare('INSERT INTO enrollments (id, tag, record, expires_at) VALUES (?, ?, ?, ?)'),
    countWrongCode: prepare('UPDATE enrollments SET wrong_codes = wrong_codes + 1 WHERE id = ?'),
    deleteEnrollment: prepare('DELETE FROM enrollments WHERE id = ?'),
    deleteEnrollments: prepare('DELETE FROM enrollments WHERE tag = ?'),
    deleteExpiredEnrollments: prepare('DELETE FROM enrollments WHERE expires_at <= ?'),
    keepLatestEnrollments: prepare(
      `DELETE FROM enrollments WHERE tag = ?1 AND rowid NOT IN
         (SELECT rowid FROM enrollments WHERE tag = ?1 ORDER BY rowid DESC LIMIT ?2)`,
    ),
    unknown: prepare('SELECT failures FROM unknown_subjects WHERE slot = ?'),
    writeUnknown: prepare('INSERT OR REPLACE INTO unknown_subjects VALUES (?, ?)'),
    remembered: prepare('SELECT 1 FROM remembered WHERE name = ? AND expires_at > ?'),
    remember: prepare('INSERT OR REPLACE INTO remembered VALUES (?, ?)'),
    forget: prepare('DELETE FROM remembered WHERE expires_at <= ?'),
  }
}

function createEnrollment(
  { sql, takeToken, options }: Deps,
  enrollment: Enrollment,
  now: number,
): EnrollmentCreated {
  const { startsPerHour, pendingMax } = options.policy
  const tag = subjectTag(enrollment.subject)
  if (sql.isEnrolled.get(tag)) return { outcome: 'already_enrolled' }
  const wait = takeToken(`totp:{${tag}}:starts`, { capacity: startsPerHour, perSeconds: 3600 }, now)
  if (wait > 0) return { outcome: 'rate_limited', retryAfterSeconds: Math.ceil(wait / 1000) }
  sql.deleteExpiredEnrollments.run(now - collectAfterMs)
  sql.insertEnrollment.run(enrollment.id, tag, JSON.stringify(enrollment), enrollment.expiresAt)
  sql.keepLatestEnrollments.run(tag, pendingMax)
  return { outcome: 'created' }
}

function findEnrollment({ sql }: Deps, id: string, now: number): Enrollment | undefined {
  const row = sql.enrollment.get(id, now)
  return row && parseEnrollment(String(row['record']))
}

function settleEnrollment(
  { sql, options }: Deps,
  id: string,
  verdict: EnrollmentVerdict,
  now: number,
): 'activated' | 'wrong' | 'gone' {
  const tag = tagOfEnrollmentId(id)
  const row = sql.enrollment.get(id, now)
  if (!row || tag === undefined || sql.isEnrolled.get(tag)) return 'gone'
  if (verdict.kind === 'wrong') {
    if (Number(row['wrong_codes']) + 1 >= options.policy.enrollmentFailuresMax) sql.deleteEnrollment.run(id)
    else sql.countWrongCode.run(id)
    return 'wrong'
  }
  const { subject } = parseEnrollment(String(row['record']))
  const { credential, firstStep, backupSet } = verdict
  const uses: Use[] = [{ id: credential.id, step: firstStep }]
  sql.insertSubject.run(
    tag,
    subject,
    newVersion(options.randomBytes),
    JSON.stringify([credential]),
    backupSet,
    JSON.stringify(uses),
    '0'.repeat(backupSlots),
  )
  sql.deleteEnrollments.run(tag)
  return 'activated'
}

function findSubject({ sql }: Deps, tag: string): SubjectRecord | undefined {
  const row = sql.enrolled.get(tag)
  if (!row) return undefined
  const backupSet = row['backup_set']
  return {
    version: Number(row['version']),
    credentials: credentialsOf(row),
    ...(typeof backupSet === 'string' ? { backupSet } : {}),
  }
}

function credentialsOf(row: Row): Credential[] {
  return parseCredentials(String(row['credentials'])).toSorted(byAge)
}

function settleVerification(deps: Deps, verification: Verification): Settled {
  const tag = subjectTag(verification.subject)
  const row = deps.sql.used.get(tag)
  if ((row?.['version'] ?? 'unknown') !== verification.version) return { outcome: 'gone' }
  return row
    ? settleKnown(deps, readUsed(tag, row, verification.now), verification)
    : settleUnknown(deps, verification)
}

/** Every code for an unknown subject is a wrong one. */
function settleUnknown({ sql, options }: Deps, { subject, verdict, now }: Verification): Settled {
  const slot = options.unknownSlot(subject)
  const failures = readFailures(sql.unknown.get(slot), now)
  const guessed = guessedBy(verdict)
  const locked = lockedBy(failures, guessed, options, now)
  if (locked) return locked
  sql.writeUnknown.run(slot, JSON.stringify(countFailure(failures, guessed, options.policy, now)))
  return { outcome: 'wrong' }
}

function settleKnown(deps: Deps, found: Found, verification: Verification): Settled {
  const { sql, options } = deps
  const { verdict, challenge, now } = verification
  const { tag, failures } = found
  const guessed = guessedBy(verdict)
  const locked = lockedBy(failures, guessed, options, now)
  if (locked) return locked
  if (verdict.kind === 'wrong') {
    sql.writeFailures.run(JSON.stringify(countFailure(failures, guessed, options.policy, now)), tag)
    return { outcome: 'wrong' }
  }
  if (challenge !== undefined && sql.remembered.get(challengeName(tag, challenge), now)) {
    return { outcome: 'replayed' }
  }
  return verdict.kind === 'totp'
    ? settleStep(deps, found, verification, verdict)
    : settleSlot(deps, found, verification, verdict.slot)
}

function settleStep(
  deps: Deps,
  found: Found,
  verification: Verification,
  verdict: Extract<Verdict, { kind: 'totp' }>,
): Settled {
  const { now } = verification
  const { credentialId, step } = verdict
  const last = found.uses.find(({ id }) => id === credentialId)
  if (!last) throw damaged()
  if (step <= last.step) return { outcome: 'replayed' }
  const wait = flooredMs(deps, verdict, now)
  if (wait !== undefined) return { outcome: 'floored', retryAfterSeconds: Math.ceil(wait / 1000) }
  const uses = found.uses.map((use) => (use === last ? { id: use.id, step, at: now } : use))
  return accept(deps, { ...found, uses }, verification)
}

/** Milliseconds until there is a step that may be accepted; undefined when this one is. The same stands in redis-scripts.ts. */
function flooredMs(
  { handle, options }: Deps,
  { periodSeconds, step }: Extract<Verdict, { kind: 'totp' }>,
  now: number,
): number | undefined {
  const floorAt = handle.floorAt()
  if (floorAt === undefined) return undefined
  const periodMs = periodSeconds * 1000
  const stepFloor = Math.floor(floorAt / periodMs) + options.policy.skew
  return step > stepFloor ? undefined : Math.max((stepFloor + 1) * periodMs - now, 0)
}

function settleSlot(deps: Deps, found: Found, verification: Verification, slot: number): Settled {
  const { slots } = found
  if (slots[slot] === undefined) throw damaged()
  if (slots[slot] === '1') return { outcome: 'replayed' }
  const after = `${slots.slice(0, slot)}1${slots.slice(slot + 1)}`
  return accept(deps, { ...found, slots: after }, verification)
}

function accept(
  { sql, options }: Deps,
  { tag, uses, slots }: Found,
  { challenge, now }: Verification,
): Settled {
  sql.accept.run(JSON.stringify(uses), slots, tag)
  if (challenge !== undefined) {
    remember(sql, challengeName(tag, challenge), now, options.policy.challengeTtlSeconds)
  }
  return { outcome: 'accepted', backupCodesRemaining: slotsLeft(slots) }
}

function lockedBy(
  failures: Failures,
  guessed: Guessed,
  { policy }: StoreOptions,
  now: number,
): Settled | undefined {
  const wait = waitMs(failures, guessed, policy, now)
  return wait > 0 ? { outcome: 'locked', retryAfterSeconds: Math.ceil(wait / 1000) } : undefined
}

function revoke({ sql, options }: Deps, subject: string, request: string | undefined, now: number): void {
  const tag = subjectTag(subject)
  if (request !== undefined) {
    const name = `${tag}/request/${request}`
    if (sql.remembered.get(name, now)) return
    remember(sql, name, now, options.policy.requestTtlSeconds)
  }
  sql.deleteSubject.run(tag)
  sql.deleteEnrollments.run(tag)
}

function status({ sql, options }: Deps, tag: string, now: number): Status | undefined {
  const row = sql.status.get(tag)
  if (!row) return undefined
  const uses = parseUses(String(row['uses']))
  const wait = waitMs(readFailures(row, now), 'totp', options.policy, now)
  return {
    credentials: credentialsOf(row).map((credential) =>
      describeCredential(credential, uses.find(({ id }) => id === credential.id)?.at),
    ),
    backupCodesRemaining: slotsLeft(String(row['backup_slots'])),
    ...(wait > 0 ? { lockedUntil: now + wait } : {}),
  }
}

function readUsed(tag: string, row: Row, now: number): Found {
  const [uses, slots] = [parseUses(String(row['uses'])), String(row['backup_slots'])]
  return { tag, uses, slots, failures: readFailures(row, now) }
}

function readFailures(row: Row | undefined, now: number): Failures {
  const text = row?.['failures']
  const failures = typeof text === 'string' ? parseFailures(text) : noFailures
  return failuresAt(failures, now)
}

function remember(sql: Statements, name: string, now: number, ttlSeconds: number): void {
  sql.forget.run(now - collectAfterMs)
  sql.remember.run(name, now + ttlSeconds * 1000)
}

function challengeName(tag: string, digest: string): string {
  return `${tag}/challenge/${digest}`
}

function slotsLeft(slots: string): number {
  return slots.replaceAll('1', '').length
}
