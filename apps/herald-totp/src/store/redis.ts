import { refillMs, type RedisHandle } from '@herald/storage'
import { failuresAt, guessedBy, noFailures, waitMs, type Failures } from './budget.ts'
import { damaged, describeCredential, parseCredential, parseEnrollment } from './record.ts'
import {
  createEnrollmentLua,
  findEnrollmentLua,
  isEnrolledLua,
  revokeLua,
  settleEnrollmentLua,
  settleUnknownLua,
  settleVerificationLua,
  statusLua,
  unlockLua,
} from './redis-scripts.ts'
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
  type Verification,
} from './store.ts'
import { subjectTag, tagOfEnrollmentId } from './subject-tag.ts'

type Scripts = ReturnType<typeof prepareScripts>
type Keys = ReturnType<typeof createKeys>
/** A hash as it was read. No object: names that are another's ids would make V8 keep a shape for each. */
type Fields = ReadonlyMap<string, string>
type Deps = { handle: RedisHandle; scripts: Scripts; keys: Keys; options: StoreOptions }

const credentialField = 'credential:'

/** Where an enrolment id that is not ours is looked for, in vain: only a store that answers can say that it is not there. */
const nobodysTag = subjectTag('')

/** The store on Redis: each verb is one Lua script, or one read that a script vouches for later, and one round trip. */
export function createRedisStore(handle: RedisHandle, options: StoreOptions): TotpStore {
  const scripts = prepareScripts(handle, options)
  const keys = createKeys(handle.keyPrefix)
  const deps: Deps = { handle, scripts, keys, options }
  return {
    createEnrollment: (enrollment, now) => createEnrollment(deps, enrollment, now),
    findEnrollment: (id, now) => findEnrollment(deps, id, now),
    settleEnrollment: (id, verdict, now) => settleEnrollment(deps, id, verdict, now),
    findSubject: (subject) => findSubject(deps, subject),
    settleVerification: (verification) =>
      verification.version === 'unknown'
        ? settleUnknown(deps, verification)
        : settleKnown(deps, verification, verification.version),
    revoke: (subject, request, now) => revoke(deps, subject, request, now),
    async unlock(subject) {
      await scripts.unlock([keys.used(subjectTag(subject))], [])
    },
    status: (subject, now) => status(deps, subject, now),
    ping: () => handle.ping(),
    probeWrite: () => handle.probeWrite(),
    close: () => handle.close(),
  }
}

function prepareScripts(handle: RedisHandle, { policy }: StoreOptions) {
  const script = (lua: string) => handle.script(lua)
  const acknowledged = (lua: string) => handle.acknowledgedScript(lua)
  return {
    createEnrollment: script(createEnrollmentLua),
    findEnrollment: script(findEnrollmentLua),
    failEnrollment: script(settleEnrollmentLua),
    activateEnrollment: acknowledged(settleEnrollmentLua),
    isEnrolled: script(isEnrolledLua),
    settleUnknown: script(settleUnknownLua(policy)),
    settleVerification: script(settleVerificationLua(policy)),
    settleBackup: acknowledged(settleVerificationLua(policy)),
    revoke: acknowledged(revokeLua),
    unlock: script(unlockLua),
    status: script(statusLua),
  }
}

/** Every key of a subject shares the hash tag, so that they lie in one Cluster slot. */
function createKeys(prefix: string) {
  const under = (name: string) => (tag: string) => `${prefix}totp:{${tag}}:${name}`
  return {
    subject: under('subject'),
    used: under('used'),
    failures: under('failures'),
    starts: under('starts'),
    enrollments: under('enrollments'),
    pending: under('pending'),
    challenge: (tag: string, digest: string) => under(`challenge:${digest}`)(tag),
    request: (tag: string, digest: string) => under(`request:${digest}`)(tag),
  }
}

async function createEnrollment(
  { scripts, keys, options }: Deps,
  enrollment: Enrollment,
  now: number,
): Promise<EnrollmentCreated> {
  const { policy } = options
  const tag = subjectTag(enrollment.subject)
  const starts = { capacity: policy.startsPerHour, perSeconds: 3600 }
  const answer = await scripts.createEnrollment(
    [keys.subject(tag), keys.used(tag), keys.starts(tag), keys.enrollments(tag), keys.pending(tag)],
    [
      now,
      enrollment.id,
      JSON.stringify(enrollment),
      enrollment.expiresAt - now,
      policy.pendingMax,
      refillMs(starts),
      starts.capacity,
    ],
  )
  const [outcome, waitMs] = answer as [EnrollmentCreated['outcome'], number]
  return outcome === 'rate_limited' ? { outcome, retryAfterSeconds: Math.ceil(waitMs / 1000) } : { outcome }
}

async function findEnrollment(
  { scripts, keys }: Deps,
  id: string,
  now: number,
): Promise<Enrollment | undefined> {
  const tag = tagOfEnrollmentId(id) ?? nobodysTag
  const text = await scripts.findEnrollment([keys.enrollments(tag)], [id])
  const enrollment = typeof text === 'string' ? parseEnrollment(text) : undefined
  return enrollment && enrollment.expiresAt > now ? enrollment : undefined
}

async function settleEnrollment(
  { scripts, keys, options }: Deps,
  id: string,
  verdict: EnrollmentVerdict,
  now: number,
): Promise<'activated' | 'wrong' | 'gone'> {
  const tag = tagOfEnrollmentId(id) ?? nobodysTag
  const isWrong = verdict.kind === 'wrong'
  const activation = isWrong ? [] : activationArguments(verdict, options)
  const settle = isWrong ? scripts.failEnrollment : scripts.activateEnrollment
  const answer = await settle(
    [keys.enrollments(tag), keys.pending(tag), keys.subject(tag), keys.used(tag)],
    [now, id, options.policy.enrollmentFailuresMax, verdict.kind, ...activation],
  )
  return answer as 'activated' | 'wrong' | 'gone'
}

function activationArguments(
  { credential, firstStep, backupSet }: Extract<EnrollmentVerdict, { kind: 'right' }>,
  { randomBytes }: StoreOptions,
): (string | number)[] {
  const record = JSON.stringify(credential)
  return [newVersion(randomBytes), credential.id, record, firstStep, backupSet, '0'.repeat(backupSlots)]
}

async function findSubject({ handle, keys }: Deps, subject: string): Promise<SubjectRecord | undefined> {
  const fields = toFields(await handle.readHash(keys.subject(subjectTag(subject))))
  if (fields.get('subject') === subject || fields.size === 0) return toSubject(fields)
  // The reply to another call, which this finds out.
  await handle.ping()
  throw damaged()
}

/** That the subject is not there was only read; the same round trip that counts the failure asserts it. */
async function settleUnknown({ scripts, keys, options }: Deps, verification: Verification): Promise<Settled> {
  const { subject, verdict, now } = verification
  const tag = subjectTag(subject)
  const counter = keys.failures(`u${options.unknownSlot(subject)}`)
  const [isEnrolled, answer] = await Promise.all([
    scripts.isEnrolled([keys.subject(tag), keys.used(tag)], []),
    scripts.settleUnknown([counter], [now, guessedBy(verdict)]),
  ])
  return isEnrolled === 1 ? { outcome: 'gone' } : toSettled(answer)
}

async function settleKnown(
  { scripts, keys }: Deps,
  { subject, verdict, challenge, now }: Verification,
  version: number,
): Promise<Settled> {
  const tag = subjectTag(subject)
  const used = keys.used(tag)
  const isTotp = verdict.kind === 'totp'
  const isBackup = verdict.kind === 'backup'
  const settle = isBackup ? scripts.settleBackup : scripts.settleVerification
  const answer = await settle(challenge === undefined ? [used] : [used, keys.challenge(tag, challenge)], [
    now,
    version,
    guessedBy(verdict),
    isTotp ? verdict.step : isBackup ? verdict.slot : '',
    isTotp ? verdict.credentialId : '',
    isTotp ? verdict.periodSeconds * 1000 : '',
  ])
  const settled = toSettled(answer)
  // What was used may have been lost alone.
  if (settled.outcome === 'gone') await scripts.isEnrolled([keys.subject(tag), used], [])
  return settled
}

async function revoke(
  { scripts, keys, options }: Deps,
  subject: string,
  request: string | undefined,
  now: number,
): Promise<void> {
  const tag = subjectTag(subject)
  const everything = [keys.subject(tag), keys.used(tag), keys.enrollments(tag), keys.pending(tag)]
  const requests = request === undefined ? [] : [keys.request(tag, request)]
  await scripts.revoke([...everything, ...requests], [now, options.policy.requestTtlSeconds * 1000])
}

async function status(
  { scripts, keys, options }: Deps,
  subject: string,
  now: number,
): Promise<Status | undefined> {
  const tag = subjectTag(subject)
  const answer = await scripts.status([keys.subject(tag), keys.used(tag)], [])
  const [record, used] = (answer as [string[], string[]]).map(toFields) as [Fields, Fields]
  const found = toSubject(record)
  if (found === undefined && used.size > 0) throw damaged()
  if (found === undefined) return undefined
  const wait = waitMs(failuresAt(readFailures(used.get('failures')), now), 'totp', options.policy, now)
  return {
    credentials: found.credentials.map((credential) =>
      describeCredential(credential, lastUsedAt(credential, used)),
    ),
    backupCodesRemaining: slotsLeft(used.get('slots')),
    ...(wait > 0 ? { lockedUntil: now + wait } : {}),
  }
}

function lastUsedAt({ id }: Credential, used: Fields): number | undefined {
  const at = used.get(`at:${id}`)
  return at === undefined ? undefined : Number(at)
}

function toSettled(answer: unknown): Settled {
  const [outcome, found] = answer as [Settled['outcome'], string | number]
  if (outcome === 'accepted') return { outcome, backupCodesRemaining: slotsLeft(String(found)) }
  if (outcome === 'locked' || outcome === 'floored')
    return { outcome, retryAfterSeconds: Math.ceil(Number(found) / 1000) }
  return { outcome }
}

function slotsLeft(slots = ''): number {
  return slots.replaceAll('1', '').length
}

/** The text that budgetLua writes. */
function readFailures(text: string | undefined): Failures {
  if (text === undefined) return noFailures
  const [streak, totp = '', backup = ''] = text.split('|')
  const times = (digits: string) => digits.split(' ').filter(Boolean).map(Number)
  return { streak: Number(streak), totp: times(totp), backup: times(backup) }
}

function toFields(reply: readonly string[]): Fields {
  const fields = new Map<string, string>()
  for (let at = 0; at < reply.length; at += 2) fields.set(String(reply[at]), String(reply[at + 1]))
  return fields
}

function toSubject(fields: Fields): SubjectRecord | undefined {
  if (fields.size === 0) return undefined
  const version = Number(fields.get('version'))
  if (!Number.isSafeInteger(version)) throw damaged()
  const credentials = [...fields]
    .filter(([name]) => name.startsWith(credentialField))
    .map(([, text]) => parseCredential(text))
    .toSorted(byAge)
  const backupSet = fields.get('backupSet')
  return { version, credentials, ...(backupSet === undefined ? {} : { backupSet }) }
}
