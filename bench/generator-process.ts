import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Outcome, Task } from './generator.ts'
import type { Load } from './load.ts'

/** The process that loads the services; one task at a time. */
export type Generator = {
  carryOut: (task: Task) => Promise<void>
  /** Carries out a task that gives a load. */
  load: (task: Task) => Promise<Load>
  stop: () => void
}

export function startGenerator(): Generator {
  const child = fork(join(import.meta.dirname, 'generator.ts'))

  async function perform(task: Task): Promise<Outcome> {
    child.send(task)
    const [outcome] = (await once(child, 'message')) as [Outcome]
    if (outcome.error !== undefined) throw new Error(`the load generator failed: ${outcome.error}`)
    return outcome
  }

  return {
    carryOut: async (task) => void (await perform(task)),
    async load(task) {
      const { load } = await perform(task)
      if (load === undefined) throw new Error(`${task.kind} gives no load`)
      return load
    },
    stop: () => child.disconnect(),
  }
}
