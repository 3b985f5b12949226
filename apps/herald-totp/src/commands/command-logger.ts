import type { StoreLogger } from '@herald/storage'
import type { CommandWorld } from '../world.ts'

/** Of what the store logs, a command prints what needs a look beside its answer: that it marked an empty store, or lost it. */
export function createCommandLogger({ print }: Pick<CommandWorld, 'print'>): StoreLogger {
  const say = (_fields: object, message: string): void => print(message)
  return { debug() {}, info() {}, warn: say, error: say }
}
