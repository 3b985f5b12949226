import type { Entry, Violation } from './check.ts'
import type { Call, State } from './model.ts'

/** A violation as a person reads it: one line for each call, those at the same time marked by their places. */
export function describeViolation({ before, entries, possible }: Violation<State, Call>): string {
  return [
    `before: ${JSON.stringify(before)}`,
    ...entries.map(describeEntry),
    'nothing explains the last answer; by all answers before it, the state was one of',
    ...new Set(possible.map((state) => JSON.stringify(state))),
  ].join('\n')
}

function describeEntry({ client, call, invoked, returned, outcome }: Entry<Call>): string {
  const { verb, now, ...details } = call
  const at = new Date(now).toISOString().slice(11, 19)
  const heard = outcome ?? 'unknown'
  return `${client}  ${invoked}..${returned}  ${at} ${verb} ${JSON.stringify(details)} -> ${heard}`
}
