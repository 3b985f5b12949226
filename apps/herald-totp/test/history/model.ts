import type { StorePolicy, Verdict } from '../../src/store/store.ts'

/**
 * What the store promises about one subject, as a program without concurrency, faults or a database: every verb takes the
 * state and a call and gives the answer and the state after it. Times are milliseconds since the epoch and come with the call.
 * Subjects have nothing in common, and a history is judged for each of them alone. The counter of who is not enrolled is a
 * subject of its own here, whose state is its failures.
 */
export type State = {
  enrolled?: Enrolled
  /** Starts that wait for their first right code, the oldest first. */
  pending: readonly { id: string; expiresAt: number; wrongCodes: number }[]
  failures: Failures
  /** Until when a challenge, or the signature of a revoke, counts as used. */
  challenges: Readonly<Record<string, number>>
  requests: Readonly<Record<string, number>>
}

/** A credential is confirmed once and has its own name, so the name also stands for the version of the record. */
type Enrolled = {
  credential: string
  lastStep: number
  lastUsedAt?: number
  usedSlots: readonly number[]
}

type Failures = { inARow: number; lastAt: number; backupAt: readonly number[] }

export type Action =
  | { verb: 'start'; id: string; expiresAt: number }
  | { verb: 'confirm'; id: string; credential: string; step: number }
  | { verb: 'misconfirm'; id: string }
  | { verb: 'findEnrollment'; id: string }
  | { verb: 'findSubject' }
  /** `seen` is the credential that findSubject gave before; `isFloored` says that the store would accept no step at that moment. */
  | { verb: 'verify'; seen: string; verdict: Verdict; challenge?: string; isFloored?: true }
  /** A code for a subject that findSubject did not give: counted in another place, and `gone` when there is such a subject by now. */
  | { verb: 'verifyUnknown' }
  | { verb: 'guessUnknown'; guessed: 'totp' | 'backup' }
  | { verb: 'revoke'; request?: string }
  | { verb: 'unlock' }
  | { verb: 'status' }

export type Call = Action & { now: number }

/** `outcome` is a text, so that it can be compared and printed. */
export type Result = { outcome: string; state: State }

export const noFailures: Failures = { inARow: 0, lastAt: 0, backupAt: [] }

export const initial: State = {
  pending: [],
  failures: noFailures,
  challenges: {},
  requests: {},
}

const hourMs = 3_600_000
const slotsInSet = 10

/** Budgets of starts and of failures by the hour are set so high by the driver that the model does without them. */
export type ModelPolicy = Pick<
  StorePolicy,
  | 'backupFailuresPerHour'
  | 'challengeTtlSeconds'
  | 'pendingMax'
  | 'enrollmentFailuresMax'
  | 'requestTtlSeconds'
> & { lockAfterFailures: number }

export function apply(policy: ModelPolicy, state: State, call: Call): Result {
  switch (call.verb) {
    case 'start':
      return start(policy, state, call)
    case 'confirm':
      return confirm(state, call)
    case 'misconfirm':
      return misconfirm(policy, state, call)
    case 'findEnrollment':
      return { outcome: findPending(state, call) ? 'found' : 'none', state }
    case 'findSubject':
      return { outcome: state.enrolled?.credential ?? 'none', state }
    case 'verify':
      return verify(policy, state, call)
    case 'verifyUnknown':
      return { outcome: state.enrolled ? 'gone' : 'not enrolled', state }
    case 'guessUnknown':
      return guess(policy, state, call)
    case 'revoke':
      return revoke(policy, state, call)
    case 'unlock':
      return { outcome: 'done', state: { ...state, failures: noFailures } }
    case 'status':
      return { outcome: describeStatus(policy, state, call.now), state }
  }
}

type Guess = { guessed: 'totp' | 'backup'; now: number }
type CallOf<V extends Action['verb']> = Extract<Call, { verb: V }>

function start({ pendingMax }: ModelPolicy, state: State, { id, expiresAt }: CallOf<'start'>): Result {
  if (state.enrolled) return { outcome: 'already_enrolled', state }
  const pending = [...state.pending, { id, expiresAt, wrongCodes: 0 }].slice(-pendingMax)
  return { outcome: 'created', state: { ...state, pending } }
}

function findPending(state: State, { id, now }: { id: string; now: number }) {
  return state.pending.find((pending) => pending.id === id && pending.expiresAt > now)
}

/** Credential, first used step and backup codes land together; other starts and all failures are gone. */
function confirm(state: State, call: CallOf<'confirm'>): Result {
  if (state.enrolled || !findPending(state, call)) return { outcome: 'gone', state }
  const enrolled = { credential: call.credential, lastStep: call.step, usedSlots: [] }
  return { outcome: 'activated', state: { ...state, enrolled, pending: [], failures: noFailures } }
}

function misconfirm(
  { enrollmentFailuresMax }: ModelPolicy,
  state: State,
  call: CallOf<'misconfirm'>,
): Result {
  if (state.enrolled || !findPending(state, call)) return { outcome: 'gone', state }
  const pending = state.pending
    .map((one) => (one.id === call.id ? { ...one, wrongCodes: one.wrongCodes + 1 } : one))
    .filter(({ wrongCodes }) => wrongCodes < enrollmentFailuresMax)
  return { outcome: 'wrong', state: { ...state, pending } }
}

function guess(policy: ModelPolicy, state: State, { guessed, now }: Guess): Result {
  const wait = waitMs(policy, state.failures, guessed, now)
  if (wait > 0) return { outcome: locked(wait), state }
  return { outcome: 'wrong', state: { ...state, failures: countFailure(state.failures, guessed, now) } }
}

function verify(policy: ModelPolicy, state: State, call: CallOf<'verify'>): Result {
  const { enrolled } = state
  const { seen, verdict, challenge, now } = call
  if (enrolled?.credential !== seen) return { outcome: 'gone', state }
  if (verdict.kind === 'wrong') return guess(policy, state, { guessed: verdict.guessed, now })
  const wait = waitMs(policy, state.failures, verdict.kind, now)
  if (wait > 0) return { outcome: locked(wait), state }
  if (challenge !== undefined && (state.challenges[challenge] ?? 0) > now)
    return { outcome: 'replayed', state }
  const after =
    verdict.kind === 'totp' ? useStep(enrolled, verdict.step, now) : useSlot(enrolled, verdict.slot)
  if (!after) return { outcome: 'replayed', state }
  if (call.isFloored) return { outcome: 'floored', state }
  const spent = challenge === undefined ? {} : { [challenge]: now + policy.challengeTtlSeconds * 1000 }
  return {
    outcome: `accepted, ${slotsLeft(after)} left`,
    state: {
      ...state,
      enrolled: after,
      failures: noFailures,
      challenges: { ...state.challenges, ...spent },
    },
  }
}

/** Only ever a later step than the last one. */
function useStep(enrolled: Enrolled, step: number, now: number): Enrolled | undefined {
  return step > enrolled.lastStep ? { ...enrolled, lastStep: step, lastUsedAt: now } : undefined
}

function useSlot(enrolled: Enrolled, slot: number): Enrolled | undefined {
  const { usedSlots } = enrolled
  if (usedSlots.includes(slot)) return undefined
  return { ...enrolled, usedSlots: [...usedSlots, slot].toSorted((one, other) => one - other) }
}

const slotsLeft = ({ usedSlots }: Enrolled) => slotsInSet - usedSlots.length

/** A signature that was served before deletes nothing a second time. */
function revoke(policy: ModelPolicy, state: State, { request, now }: CallOf<'revoke'>): Result {
  if (request !== undefined && (state.requests[request] ?? 0) > now) return { outcome: 'done', state }
  const served = request === undefined ? {} : { [request]: now + policy.requestTtlSeconds * 1000 }
  const { challenges, requests } = state
  return { outcome: 'done', state: { ...initial, challenges, requests: { ...requests, ...served } } }
}

function describeStatus(policy: ModelPolicy, { enrolled, failures }: State, now: number): string {
  if (!enrolled) return 'none'
  const wait = waitMs(policy, failures, 'totp', now)
  const { credential, lastUsedAt } = enrolled
  return statusText({
    credential,
    left: slotsLeft(enrolled),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...(wait > 0 && { lockedUntil: now + wait }),
  })
}

export function statusText(status: {
  credential: string
  left: number
  lastUsedAt?: number
  lockedUntil?: number
}): string {
  const { credential, left, lastUsedAt, lockedUntil } = status
  return `${credential}, ${left} left, used ${lastUsedAt ?? 'never'}, locked until ${lockedUntil ?? 'never'}`
}

/** Milliseconds until a guess of this kind is looked at again; 0 when it is now. */
function waitMs(policy: ModelPolicy, failures: Failures, guessed: 'totp' | 'backup', now: number): number {
  if (guessed === 'backup') {
    const oldest = failures.backupAt.at(-policy.backupFailuresPerHour)
    return oldest === undefined ? 0 : Math.max(oldest + hourMs - now, 0)
  }
  if (failures.inARow >= policy.lockAfterFailures) return hourMs
  if (failures.inARow < 5) return 0
  const wait = Math.min(30_000 * 2 ** (failures.inARow - 5), 900_000)
  return Math.max(failures.lastAt + wait - now, 0)
}

function countFailure(failures: Failures, guessed: 'totp' | 'backup', now: number): Failures {
  if (guessed === 'totp') return { ...failures, inARow: failures.inARow + 1, lastAt: now }
  return { ...failures, backupAt: [...failures.backupAt.filter((at) => at > now - hourMs), now] }
}

export const locked = (wait: number): string => `locked for ${Math.ceil(wait / 1000)} s`

/** Whether an answer tells that its call left everything as it was, whatever the state. */
export function changedNothing({ verb }: Call, outcome: string): boolean {
  if (verb === 'revoke' || verb === 'unlock') return false
  return !/^(created|activated|wrong|accepted)/.test(outcome)
}
