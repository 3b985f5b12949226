import { refillMs, type RedisHandle } from '@herald/storage'
import { damaged, parseCredential, parseEnrollment } from './record.ts'
import {
  createEnrollmentLua,
  revokeLua,
  settleEnrollmentLua,
  settleUnknownLua,
  settleVerificationLua,
  statusLua,
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
  type Verdict,
  type Verification,
} from './store.ts'
import { subjectTag, tagOfEnrollmentId } from './subject-tag.ts'

type Scripts = ReturnType<typeof prepareScripts>
type Keys = ReturnType<typeof createKeys>
type Fields = Readonly<Record<string, string>>
type Deps = { handle: RedisHandle; scripts: Scripts; keys: Keys; options: StoreOptions }

const credentialField = 'credential:'

/** The store on Redis: each verb is one Lua script or one read, and one round trip. */
export function createRedisStore(handle: RedisHandle, options: StoreOptions): TotpStore {
  const deps: Deps = { handle, scripts: prepareScripts(handle), keys: createKeys(handle.keyPrefix), options }
  const { keys } = deps
  return {
    createEnrollment: (enrollment, now) => createEnrollment(deps, enrollment, now),
    findEnrollment: (id, now) => findEnrollment(deps, id, now),
    settleEnrollment: (id, verdict, now) => settleEnrollment(deps, id, verdict, now),
    async findSubject(subject) {
      const key = keys.subject(subjectTag(subject))
      return toSubject(await handle.runMarked((client) => client.hgetall(key)))
    },
    settleVerification: (verification) =>
      verification.version === 'unknown'
        ? settleUnknown(deps, verification)
        : settleKnown(deps, verification, verification.version),
    revoke: (subject, request, now) => revoke(deps, subject, request, now),
    async unlock(subject) {
      await handle.runMarked((client) => client.del(keys.failures(subjectTag(subject))))
    },
    status: (subject, now) => status(deps, subject, now),
    ping: () => handle.ping(),
    probeWrite: () => handle.probeWrite(),
    close: () => handle.close(),
  }
}

function prepareScripts(handle: RedisHandle) {
  return {
    createEnrollment: handle.script(createEnrollmentLua),
    settleEnrollment: handle.script(settleEnrollmentLua),
    settleUnknown: handle.script(settleUnknownLua),
    settleVerification: handle.script(settleVerificationLua),
    revoke: handle.script(revokeLua),
    status: handle.script(statusLua),
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
  { handle, scripts, keys, options }: Deps,
  enrollment: Enrollment,
  now: number,
): Promise<EnrollmentCreated> {
  const { policy } = options
  const tag = subjectTag(enrollment.subject)
  const starts = { capacity: policy.startsPerHour, perSeconds: 3600 }
  const answer = await handle.runMarked(() =>
    scripts.createEnrollment(
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
    ),
  )
  const [outcome, waitMs] = answer as [EnrollmentCreated['outcome'], number]
  return outcome === 'rate_limited' ? { outcome, retryAfterSeconds: Math.ceil(waitMs / 1000) } : { outcome }
}

async function findEnrollment(
  { handle, keys }: Deps,
  id: string,
  now: number,
): Promise<Enrollment | undefined> {
  const tag = tagOfEnrollmentId(id)
  if (tag === undefined) return undefined
  const text = await handle.runMarked((client) => client.hget(keys.enrollments(tag), id))
  const enrollment = text === null ? undefined : parseEnrollment(text)
  return enrollment && enrollment.expiresAt > now ? enrollment : undefined
}

async function settleEnrollment(
  { handle, scripts, keys, options }: Deps,
  id: string,
  verdict: EnrollmentVerdict,
  now: number,
): Promise<'activated' | 'wrong' | 'gone'> {
  const tag = tagOfEnrollmentId(id)
  if (tag === undefined) return 'gone'
  const found = [
    keys.enrollments(tag),
    keys.pending(tag),
    keys.subject(tag),
    keys.used(tag),
    keys.failures(tag),
  ]
  const activation = verdict.kind === 'wrong' ? [] : activationArguments(verdict, options)
  const answer = await handle.runMarked(() =>
    scripts.settleEnrollment(found, [
      now,
      id,
      options.policy.enrollmentFailuresMax,
      verdict.kind,
      ...activation,
    ]),
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

async function settleUnknown(
  { handle, scripts, keys, options }: Deps,
  { subject, verdict, now }: Verification,
): Promise<Settled> {
  const counter = keys.failures(`u${options.unknownSlot(subject)}`)
  const answer = await handle.run(() =>
    scripts.settleUnknown([counter], [now, guessedBy(verdict), ...budgetArguments(options)]),
  )
  return toSettled(answer)
}

async function settleKnown(
  { handle, scripts, keys, options }: Deps,
  { subject, verdict, challenge, now, stepFloor }: Verification,
  version: number,
): Promise<Settled> {
  const tag = subjectTag(subject)
  const challenges = challenge === undefined ? [] : [keys.challenge(tag, challenge)]
  const credentialId = verdict.kind === 'totp' ? verdict.credentialId : ''
  const number = verdict.kind === 'totp' ? verdict.step : verdict.kind === 'backup' ? verdict.slot : 0
  const answer = await handle.run(() =>
    scripts.settleVerification(
      [keys.subject(tag), keys.used(tag), keys.failures(tag), ...challenges],
      [
        now,
        guessedBy(verdict),
        ...budgetArguments(options),
        version,
        verdict.kind,
        credentialId,
        number,
        stepFloor,
        options.policy.challengeTtlSeconds * 1000,
      ],
    ),
  )
  const settled = toSettled(answer)
  // An emptied store has no subject either.
  if (settled.outcome === 'gone') await handle.ping()
  return settled
}

async function revoke(
  { handle, scripts, keys, options }: Deps,
  subject: string,
  request: string | undefined,
  now: number,
): Promise<void> {
  const tag = subjectTag(subject)
  const everything = [keys.subject, keys.used, keys.failures, keys.enrollments, keys.pending].map((key) =>
    key(tag),
  )
  const requests = request === undefined ? [] : [keys.request(tag, request)]
  await handle.runMarked(() =>
    scripts.revoke([...everything, ...requests], [now, options.policy.requestTtlSeconds * 1000]),
  )
}

async function status(
  { handle, scripts, keys, options }: Deps,
  subject: string,
  now: number,
): Promise<Status | undefined> {
  const tag = subjectTag(subject)
  const [totpPerHour, lockAfter] = budgetArguments(options)
  const answer = await handle.runMarked(() =>
    scripts.status([keys.subject(tag), keys.used(tag), keys.failures(tag)], [now, totpPerHour, lockAfter]),
  )
  const [recordReply, usedReply, waitMs] = answer as [string[], string[], number]
  const record = toSubject(toFields(recordReply))
  const used = toFields(usedReply)
  if (!record && usedReply.length > 0) throw damaged()
  if (!record) return undefined
  return {
    credentials: record.credentials.map((credential) => describeCredential(credential, used)),
    backupCodesRemaining: (used['backup'] ?? '').replaceAll('1', '').length,
    ...(waitMs > 0 ? { lockedUntil: now + waitMs } : {}),
  }
}

function describeCredential(credential: Credential, used: Fields): Status['credentials'][number] {
  const { id, algorithm, digits, periodSeconds, label, createdAt } = credential
  const lastUsedAt = used[`at:${id}`]
  const description = { id, algorithm, digits, periodSeconds, label, createdAt }
  return lastUsedAt === undefined ? description : { ...description, lastUsedAt: Number(lastUsedAt) }
}

function guessedBy(verdict: Verdict): 'totp' | 'backup' {
  return verdict.kind === 'wrong' ? verdict.guessed : verdict.kind
}

function budgetArguments({ policy }: StoreOptions): [number, number, number] {
  const lockAfter = policy.lockAfterFailures === 'off' ? 0 : policy.lockAfterFailures
  return [policy.failuresPerHour, lockAfter, policy.backupFailuresPerHour]
}

function toSettled(answer: unknown): Settled {
  const [outcome, number] = answer as [Settled['outcome'], number]
  if (outcome === 'accepted') return { outcome, backupCodesRemaining: number }
  if (outcome === 'locked' || outcome === 'floored')
    return { outcome, retryAfterSeconds: Math.ceil(number / 1000) }
  return { outcome }
}

function toFields(reply: readonly string[]): Fields {
  const fields: Record<string, string> = {}
  for (let at = 0; at < reply.length; at += 2) fields[String(reply[at])] = String(reply[at + 1])
  return fields
}

function toSubject(fields: Fields): SubjectRecord | undefined {
  const names = Object.keys(fields)
  if (names.length === 0) return undefined
  const version = Number(fields['version'])
  if (!Number.isSafeInteger(version)) throw damaged()
  const credentials = names
    .filter((name) => name.startsWith(credentialField))
    .map((name) => parseCredential(fields[name] ?? ''))
    .toSorted(byAge)
  const { backupSet } = fields
  return { version, credentials, ...(backupSet === undefined ? {} : { backupSet }) }
}
