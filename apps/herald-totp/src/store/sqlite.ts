import { prepareTakeToken, type SqliteHandle } from '@herald/storage'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { countFailure, failuresAt, noFailures, waitMs, type Failures } from './budget.ts'
import { damaged, parseEnrollment, soundRecord } from './record.ts'
import {
  backupSlots,
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
type Found = { tag: string; slots: string }
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
  /** In a store that is not ours nothing is known: neither what is absent, nor what was used. */
  const settleMarked = <T>(work: () => T): Promise<T> =>
    handle.settle(() => {
      handle.checkMarker()
      return work()
    })
  const readMarked = async <T>(work: () => T): Promise<T> =>
    handle.read(() => {
      handle.checkMarker()
      return work()
    })
  return {
    createEnrollment: (enrollment, now) => settleMarked(() => createEnrollment(deps, enrollment, now)),
    findEnrollment: (id, now) => readMarked(() => findEnrollment(deps, id, now)),
    settleEnrollment: (id, verdict, now) => settleMarked(() => settleEnrollment(deps, id, verdict, now)),
    findSubject: (subject) => readMarked(() => findSubject(deps, subjectTag(subject))),
    settleVerification: (verification) => settleMarked(() => settleVerification(deps, verification)),
    revoke: (subject, request, now) => settleMarked(() => revoke(deps, subject, request, now)),
    unlock: (subject) =>
      settleMarked(() => {
        sql.deleteFailures.run(subjectTag(subject))
      }),
    status: (subject, now) => readMarked(() => status(deps, subjectTag(subject), now)),
    ping: () => handle.ping(),
    probeWrite: () => handle.probeWrite(),
    close: () => handle.close(),
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string) => database.prepare(text)
  return {
    subject: prepare('SELECT version, backup_set, backup_slots FROM subjects WHERE tag = ?'),
    insertSubject: prepare('INSERT INTO subjects VALUES (?, ?, ?, ?, ?)'),
    deleteSubject: prepare('DELETE FROM subjects WHERE tag = ?'),
    useSlot: prepare('UPDATE subjects SET backup_slots = ? WHERE tag = ?'),
    credentials: prepare('SELECT * FROM credentials WHERE tag = ? ORDER BY created_at, id'),
    credential: prepare('SELECT last_step FROM credentials WHERE tag = ? AND id = ?'),
    insertCredential: prepare('INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)'),
    useStep: prepare('UPDATE credentials SET last_step = ?, last_used_at = ? WHERE tag = ? AND id = ?'),
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
    failures: prepare('SELECT streak, totp, backup FROM failures WHERE counter = ?'),
    upsertFailures: prepare('INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)'),
    deleteFailures: prepare('DELETE FROM failures WHERE counter = ?'),
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
  if (sql.subject.get(tag)) return { outcome: 'already_enrolled' }
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
  if (!row || tag === undefined || sql.subject.get(tag)) return 'gone'
  if (verdict.kind === 'wrong') {
    if (Number(row['wrong_codes']) + 1 >= options.policy.enrollmentFailuresMax) sql.deleteEnrollment.run(id)
    else sql.countWrongCode.run(id)
    return 'wrong'
  }
  const { subject } = parseEnrollment(String(row['record']))
  const { credential, firstStep, backupSet } = verdict
  sql.insertSubject.run(tag, subject, newVersion(options.randomBytes), backupSet, '0'.repeat(backupSlots))
  insertCredential(sql, tag, credential, firstStep)
  sql.deleteEnrollments.run(tag)
  sql.deleteFailures.run(tag)
  return 'activated'
}

function insertCredential(sql: Statements, tag: string, credential: Credential, firstStep: number): void {
  const { id, box, algorithm, digits, periodSeconds, label, createdAt } = credential
  sql.insertCredential.run(tag, id, box, algorithm, digits, periodSeconds, label, createdAt, firstStep)
}

function findSubject({ sql }: Deps, tag: string): SubjectRecord | undefined {
  const row = sql.subject.get(tag)
  if (!row) return undefined
  const backupSet = row['backup_set']
  return {
    version: Number(row['version']),
    credentials: sql.credentials
      .all(tag)
      .map((credential) =>
        soundRecord({ ...describeCredential(credential), box: String(credential['box']) }),
      ),
    ...(typeof backupSet === 'string' ? { backupSet } : {}),
  }
}

function settleVerification(deps: Deps, verification: Verification): Settled {
  const { sql, options } = deps
  const { subject, version, verdict, challenge, now } = verification
  const tag = subjectTag(subject)
  const row = sql.subject.get(tag)
  if ((row?.['version'] ?? 'unknown') !== version) return { outcome: 'gone' }
  const counter = row ? tag : `u${options.unknownSlot(subject)}`
  const guessed = verdict.kind === 'wrong' ? verdict.guessed : verdict.kind
  const failures = readFailures(sql, counter, now)
  const wait = waitMs(failures, guessed, options.policy, now)
  if (wait > 0) return { outcome: 'locked', retryAfterSeconds: Math.ceil(wait / 1000) }
  // Every code for an unknown subject is a wrong one.
  if (!row || verdict.kind === 'wrong') {
    writeFailures(sql, counter, countFailure(failures, guessed, options.policy, now))
    return { outcome: 'wrong' }
  }
  if (challenge !== undefined && sql.remembered.get(challengeName(tag, challenge), now)) {
    return { outcome: 'replayed' }
  }
  const found = { tag, slots: String(row['backup_slots']) }
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
  const credential = deps.sql.credential.get(found.tag, credentialId)
  if (!credential) throw damaged()
  if (step <= Number(credential['last_step'])) return { outcome: 'replayed' }
  const wait = flooredMs(deps, verdict, now)
  if (wait !== undefined) return { outcome: 'floored', retryAfterSeconds: Math.ceil(wait / 1000) }
  deps.sql.useStep.run(step, now, found.tag, credentialId)
  return accept(deps, found, verification)
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

function settleSlot(deps: Deps, { tag, slots }: Found, verification: Verification, slot: number): Settled {
  if (slots[slot] === undefined) throw damaged()
  if (slots[slot] === '1') return { outcome: 'replayed' }
  const after = `${slots.slice(0, slot)}1${slots.slice(slot + 1)}`
  deps.sql.useSlot.run(after, tag)
  return accept(deps, { tag, slots: after }, verification)
}

function accept({ sql, options }: Deps, { tag, slots }: Found, { challenge, now }: Verification): Settled {
  sql.deleteFailures.run(tag)
  if (challenge !== undefined) {
    remember(sql, challengeName(tag, challenge), now, options.policy.challengeTtlSeconds)
  }
  return { outcome: 'accepted', backupCodesRemaining: slotsLeft(slots) }
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
  sql.deleteFailures.run(tag)
}

function status({ sql, options }: Deps, tag: string, now: number): Status | undefined {
  const row = sql.subject.get(tag)
  if (!row) return undefined
  const wait = waitMs(readFailures(sql, tag, now), 'totp', options.policy, now)
  return {
    credentials: sql.credentials.all(tag).map((credential) => {
      const lastUsedAt = credential['last_used_at']
      return {
        ...describeCredential(credential),
        ...(lastUsedAt === null ? {} : { lastUsedAt: Number(lastUsedAt) }),
      }
    }),
    backupCodesRemaining: slotsLeft(String(row['backup_slots'])),
    ...(wait > 0 ? { lockedUntil: now + wait } : {}),
  }
}

function describeCredential(row: Row): Omit<Credential, 'box'> {
  return {
    id: String(row['id']),
    algorithm: row['algorithm'] as Credential['algorithm'],
    digits: row['digits'] as Credential['digits'],
    periodSeconds: Number(row['period_seconds']),
    label: String(row['label']),
    createdAt: Number(row['created_at']),
  }
}

function readFailures(sql: Statements, counter: string, now: number): Failures {
  const row = sql.failures.get(counter)
  if (!row) return noFailures
  const failures = {
    streak: Number(row['streak']),
    totp: JSON.parse(String(row['totp'])) as number[],
    backup: JSON.parse(String(row['backup'])) as number[],
  }
  return failuresAt(failures, now)
}

function writeFailures(sql: Statements, counter: string, { streak, totp, backup }: Failures): void {
  sql.upsertFailures.run(counter, streak, JSON.stringify(totp), JSON.stringify(backup))
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
