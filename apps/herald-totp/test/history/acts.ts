import { randomBytes } from 'node:crypto'
import type {
  Credential,
  Enrollment,
  EnrollmentCreated,
  Settled,
  Status,
  SubjectRecord,
  Verdict,
  Verification,
} from '../../src/store/store.ts'
import { newEnrollmentId } from '../../src/store/subject-tag.ts'
import { locked, statusText, type Call } from './model.ts'
import { ask, counterOf, type Seen, type Started, type Turn } from './recording.ts'

const enrollmentMs = 600_000
const parameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const

/** A few calls in a row, each with what was learnt before it. */
type Act = (turn: Turn) => Promise<unknown>

const begin = async (turn: Turn): Promise<Started | undefined> => {
  const { recording, session, subject, now } = turn
  const times = { createdAt: now, expiresAt: now + enrollmentMs }
  const id = newEnrollmentId(subject, randomBytes)
  const enrollment: Enrollment = { id, subject, label: subject, box: 'box', ...parameters, ...times }
  const started = recording.started.get(subject)!
  const name = `e${started.length}`
  started.push({ name, enrollment })
  const outcome = await ask(turn, { verb: 'start', id: name, expiresAt: times.expiresAt, now }, async () => {
    const created = await session.process.call('createEnrollment', enrollment, now)
    return (created as EnrollmentCreated).outcome
  })
  return outcome === 'already_enrolled' ? undefined : { name, enrollment }
}

/** One of the latest starts, whoever's it was. */
const someStarted = ({ recording, session, subject }: Turn): Started | undefined =>
  session.random.pick(recording.started.get(subject)!.slice(-3))

const confirm = async (turn: Turn, { name, enrollment }: Started): Promise<void> => {
  const { recording, session, now } = turn
  const credential = `c${recording.credentials++}`
  const step = stepAt(now) - session.random.below(2)
  const record: Credential = { id: credential, box: 'box', label: '', ...parameters, createdAt: now }
  const verdict = { kind: 'right', credential: record, firstStep: step, backupSet: setOf(credential) }
  await ask(turn, { verb: 'confirm', id: name, credential, step, now }, async () =>
    String(await session.process.call('settleEnrollment', enrollment.id, verdict, now)),
  )
}

const enrol: Act = async (turn) => {
  const started = await begin(turn)
  if (started) await confirm(turn, started)
}

const confirmSome: Act = async (turn) => {
  const started = someStarted(turn)
  if (started) await confirm(turn, started)
}

const misconfirm: Act = async (turn) => {
  const { session, now } = turn
  const started = someStarted(turn)
  if (!started) return
  await ask(turn, { verb: 'misconfirm', id: started.name, now }, async () =>
    String(await session.process.call('settleEnrollment', started.enrollment.id, { kind: 'wrong' }, now)),
  )
}

const findEnrollment: Act = async (turn) => {
  const { session, now } = turn
  const started = someStarted(turn)
  if (!started) return
  await ask(turn, { verb: 'findEnrollment', id: started.name, now }, async () => {
    const found = await session.process.call('findEnrollment', started.enrollment.id, now)
    return found === undefined ? 'none' : 'found'
  })
}

/** A record read now or, now and then, one that the session has kept. */
async function look(turn: Turn): Promise<Seen | undefined> {
  const { session, subject, now } = turn
  if (session.seen.has(subject) && session.random.once(4)) return session.seen.get(subject)
  await ask(turn, { verb: 'findSubject', now }, async () => {
    const found = (await session.process.call('findSubject', subject)) as SubjectRecord | undefined
    const credential = found?.credentials.map(({ id }) => id).join(' and ') ?? 'none'
    session.seen.set(subject, found && { version: found.version, credential })
    return !found || found.backupSet === setOf(credential) ? credential : `${credential}, ${found.backupSet}`
  })
  return session.seen.get(subject)
}

const setOf = (credential: string) => `set of ${credential}`
const stepAt = (now: number) => Math.floor(now / 30_000)

async function settle(turn: Turn, seen: Seen | undefined, verdict: Verdict): Promise<unknown> {
  if (!seen) return settleUnknown(turn, verdict)
  const { session, now } = turn
  const challenge = session.random.once(4) ? { challenge: `d${session.random.below(4)}` } : {}
  const call: Call = { verb: 'verify', seen: seen.credential, verdict, ...challenge, now }
  return ask(turn, call, () => settleVerification(turn, { version: seen.version, verdict, ...challenge }))
}

/** One call that is about two: whether there is still no such subject, and a guess at the counter of those there are not. */
async function settleUnknown(turn: Turn, verdict: Verdict): Promise<unknown> {
  const { subject, now } = turn
  const guessed = verdict.kind === 'wrong' ? verdict.guessed : verdict.kind
  const settled = settleVerification(turn, { version: 'unknown', verdict })
  const isGone = async () => (await settled) === 'gone'
  return Promise.all([
    ask(turn, { verb: 'verifyUnknown', now }, async () => ((await isGone()) ? 'gone' : 'not enrolled')),
    // The guess at a subject that is there by now may be counted or not.
    ask({ ...turn, subject: counterOf(subject) }, { verb: 'guessUnknown', guessed, now }, async () =>
      (await isGone()) ? undefined : settled,
    ),
  ])
}

async function settleVerification(
  { session, subject, now }: Turn,
  about: Pick<Verification, 'version' | 'verdict' | 'challenge'>,
): Promise<string> {
  const verification: Verification = { subject, ...about, now }
  return settledText((await session.process.call('settleVerification', verification)) as Settled)
}

function settledText(settled: Settled): string {
  if (settled.outcome === 'accepted') return `accepted, ${settled.backupCodesRemaining} left`
  if (settled.outcome === 'locked') return locked(settled.retryAfterSeconds * 1000)
  return settled.outcome
}

const verifyStep: Act = async (turn) => {
  const seen = await look(turn)
  const step = stepAt(turn.now) + turn.session.random.pick([-1, 0, 0, 1])
  const verdict = { kind: 'totp', credentialId: seen?.credential ?? 'none', periodSeconds: 30, step } as const
  await settle(turn, seen, verdict)
}

const verifySlot: Act = async (turn) =>
  settle(turn, await look(turn), { kind: 'backup', slot: turn.session.random.below(10) })

const guess: Act = async (turn) => {
  const seen = await look(turn)
  const guessed = turn.session.random.pick(['totp', 'totp', 'backup'] as const)
  const times = turn.session.random.pick([1, 1, 4])
  for (let time = 0; time < times; time++) await settle(turn, seen, { kind: 'wrong', guessed })
}

const revoke: Act = async (turn) => {
  const { session, subject, now } = turn
  const request = session.random.once(2) ? { request: `r${session.random.below(4)}` } : {}
  await ask(turn, { verb: 'revoke', ...request, now }, async () => {
    await session.process.call('revoke', subject, request.request, now)
    return 'done'
  })
}

const unlock: Act = async (turn) => {
  const { session, subject, now } = turn
  await ask(turn, { verb: 'unlock', now }, async () => {
    await session.process.call('unlock', subject)
    return 'done'
  })
}

const status: Act = async (turn) => {
  const { session, subject, now } = turn
  await ask(turn, { verb: 'status', now }, async () => {
    const found = (await session.process.call('status', subject, now)) as Status | undefined
    if (!found) return 'none'
    const { credentials, backupCodesRemaining: left, lockedUntil } = found
    const lastUsedAt = credentials[0]?.lastUsedAt
    return statusText({
      credential: credentials.map(({ id }) => id).join(' and '),
      left,
      ...(lastUsedAt !== undefined && { lastUsedAt }),
      ...(lockedUntil !== undefined && { lockedUntil }),
    })
  })
}

const renew: Act = async (turn) => {
  await revoke(turn)
  await enrol(turn)
}

const weights: readonly (readonly [times: number, act: Act])[] = [
  [2, enrol],
  [1, begin],
  [2, renew],
  [1, confirmSome],
  [1, misconfirm],
  [1, findEnrollment],
  [5, verifyStep],
  [2, verifySlot],
  [2, guess],
  [1, revoke],
  [1, unlock],
  [2, status],
]
/** What a session may do, as often as it does it. */
export const actions = weights.flatMap(([times, act]) => Array.from({ length: times }, () => act))
