import type { StorePolicy } from '../../src/store/store.ts'
import { actions } from './acts.ts'
import type { Entry } from './check.ts'
import type { Call, ModelPolicy } from './model.ts'
import type { Random } from './random.ts'
import { createRecording, type Recording, type Session } from './recording.ts'
import type { Fault, World } from './worlds.ts'

/** Small budgets, so that they run out; those that the model leaves out never do. */
export const policy = {
  startsPerHour: 1_000_000,
  failuresPerHour: 1_000_000,
  lockAfterFailures: 7,
  backupFailuresPerHour: 3,
  challengeTtlSeconds: 900,
  pendingMax: 3,
  enrollmentFailuresMax: 3,
  requestTtlSeconds: 660,
  skew: 1,
} satisfies StorePolicy & ModelPolicy

export type Plan = {
  random: Random
  /** How often each fault strikes. */
  laps: number
}

/** What happened to each subject. */
export type Histories = ReadonlyMap<string, readonly Entry<Call>[]>

const subjects = ['alice', 'bob', 'carol']
const sessionsOfProcess = 4
const actionsOfRound = 3
/** Of so many rounds the last one has a fault. */
const roundsForFault = 4

/**
 * Lets sessions in several processes use a store that breaks, and records what they asked and heard. In a round the time stands
 * still and every session acts a few times. What is drawn decides who asks what and which fault strikes after how many calls;
 * how the calls of a round meet is up to the machine.
 */
export async function driveStore(world: World, { random, laps }: Plan): Promise<Histories> {
  const recording = createRecording(subjects)
  const sessions = world.processes.flatMap((process, at) =>
    Array.from({ length: sessionsOfProcess }, (_, n): Session => {
      const name = `${at}.${n}`
      return { name, process, random: random.fork(name), seen: new Map() }
    }),
  )
  for (const fault of drawFaults(world, random, laps)) {
    world.clock.advance(random.pick([0, 5, 30, 30, 30, 60, 300, 1000]))
    const now = world.clock.now()
    const isRepaired = strikeAfter(recording, random.below(sessions.length), fault)
    await Promise.all(sessions.map((session) => play(recording, session, now)))
    await isRepaired()
    await closeLost(recording, world)
  }
  return recording.histories
}

/** For each round its fault, in a drawn order; most rounds have none. */
function drawFaults(world: World, random: Random, laps: number): (Fault | undefined)[] {
  const calm = Array.from({ length: roundsForFault - 1 }, () => undefined)
  return Array.from({ length: laps }, () =>
    random.shuffle(world.faults(random.below(world.processes.length))),
  )
    .flat()
    .flatMap((fault) => [...calm, fault])
}

/** Lets the fault strike when so many calls of the round have been sent; what it returns resolves when it is repaired. */
function strikeAfter(recording: Recording, calls: number, fault: Fault | undefined): () => Promise<void> {
  let left = calls
  let struck: Promise<void> | undefined
  recording.onInvoked = () => {
    if (left-- === 0) struck = fault?.strike()
  }
  return async () => struck
}

async function play(recording: Recording, session: Session, now: number): Promise<void> {
  for (let action = 0; action < actionsOfRound; action++) {
    const subject = session.random.pick(subjects)
    await session.random.pick(actions)({ recording, session, subject, now })
  }
}

/** What nobody has heard of cannot take effect in a later round. */
async function closeLost({ histories, tick }: Recording, world: World): Promise<void> {
  const lost = [...histories.values()].flat().filter(({ returned }) => returned === Infinity)
  if (lost.length > 0) await world.sever()
  await Promise.all(world.processes.map((process) => process.back()))
  for (const entry of lost) entry.returned = tick()
}
