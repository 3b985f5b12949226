import type { Enrollment, SubjectRecord } from '../../src/store/store.ts'
import type { Entry } from './check.ts'
import type { Call } from './model.ts'
import type { Random } from './random.ts'
import { Unknown, type StoreProcess } from './store-process.ts'

/** A start that was asked for, under its name in the history. */
export type Started = { name: string; enrollment: Enrollment }

/** What a session has read of a subject; it may be out of date. */
export type Seen = Pick<SubjectRecord, 'version'> & { credential: string }

/** One client that asks for one thing after the other. */
export type Session = {
  name: string
  process: StoreProcess
  random: Random
  seen: Map<string, Seen | undefined>
}

/** What all sessions share. */
export type Recording = {
  histories: ReadonlyMap<string, Entry<Call>[]>
  started: ReadonlyMap<string, Started[]>
  credentials: number
  /** The next place in the order of all that was sent and heard. */
  tick: () => number
  onInvoked: () => void
}

/** A session that acts on a subject. */
export type Turn = { recording: Recording; session: Session; subject: string; now: number }

export function createRecording(subjects: readonly string[]): Recording {
  let place = 0
  const all = subjects.flatMap((subject) => [subject, counterOf(subject)])
  return {
    histories: new Map(all.map((subject) => [subject, []])),
    started: new Map(subjects.map((subject) => [subject, []])),
    credentials: 0,
    tick: () => place++,
    onInvoked: () => {},
  }
}

/** The counter of guesses at a subject that is not enrolled, which none of the others here shares. */
export const counterOf = (subject: string): string => `nobody called ${subject}`

/** Records a call and what `run` makes of the answer; undefined when it tells nothing, or when there is none. */
export async function ask(
  turn: Turn,
  call: Call,
  run: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const { recording, session, subject } = turn
  const entry: Entry<Call> = { client: session.name, call, invoked: recording.tick(), returned: Infinity }
  const history = recording.histories.get(subject)!
  history.push(entry)
  try {
    const answer = run()
    recording.onInvoked()
    const outcome = await answer
    if (outcome !== undefined) entry.outcome = outcome
    // Which steps may have been lost is for the store to know; that it accepts none in their place is a promise.
    if (call.verb === 'verify' && outcome === 'floored') entry.call = { ...call, isFloored: true }
    entry.returned = recording.tick()
    return outcome
  } catch (error) {
    if (!(error instanceof Unknown)) throw error
    if (isRead(call)) history.splice(history.indexOf(entry), 1)
    await session.process.back()
    return undefined
  }
}

const isRead = ({ verb }: Call) => ['findEnrollment', 'findSubject', 'verifyUnknown', 'status'].includes(verb)
