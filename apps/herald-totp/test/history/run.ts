import type { Engine } from '../service-harness.ts'
import { findViolation, shrink, type Entry, type Model } from './check.ts'
import { driveStore, policy } from './drive.ts'
import { apply, changedNothing, initial, type Call, type State } from './model.ts'
import { createRandom } from './random.ts'
import { describeViolation } from './report.ts'
import { openWorld, type World } from './worlds.ts'

/** Names the variable that runs a reported seed again. */
export const seedVariable = 'HERALD_TEST_HISTORY_SEED'

export const model: Model<State, Call> = { initial, apply: (state, call) => apply(policy, state, call) }

/**
 * Drives a store of its own and tells how often each answer was heard. Throws, with the seed, the first history that nothing
 * explains, and what no verb should throw.
 */
export async function checkStore(
  engine: Engine,
  plan: { seed: number; laps: number },
  adapt: (world: World) => World = (world) => world,
): Promise<Record<string, number>> {
  const world = await openWorld(engine, policy)
  try {
    const random = createRandom(plan.seed)
    const histories = await driveStore(adapt(world), { random, laps: plan.laps })
    for (const [subject, history] of histories) {
      const violation = findViolation(history, model)
      if (violation)
        throw new Error(`${subject}: ${describeViolation(shrink(violation, model, changedNothing))}`)
    }
    return tally([...histories.values()].flat())
  } catch (error) {
    throw new Error(`${engine}, ${seedVariable}=${plan.seed}: ${String(error)}`, { cause: error })
  } finally {
    await world.close()
  }
}

function tally(entries: readonly Entry<Call>[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome = 'unknown' } of entries) {
    const name = /^\w+/.exec(outcome)![0].replace(/^c\d+$/, 'enrolled')
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
