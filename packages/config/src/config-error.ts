import type { GateCode } from './gate.ts'

/** What is wrong with one variable: its name and what to do, never its value. */
export type ConfigProblem = { variable: string; message: string; code?: GateCode; remedy?: string }

/** Refuses a start with every problem found at once. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ variable, message }) => `${variable} ${message}`).join('; '))
    this.name = 'ConfigError'
    this.problems = problems
  }
}
