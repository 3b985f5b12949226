import { describe, expect, it } from 'vitest'
import { findViolation, shrink, type Entry } from './check.ts'
import { changedNothing, statusText, type Action, type Call } from './model.ts'
import { describeViolation } from './report.ts'
import { model } from './run.ts'

const now = Date.UTC(2026, 10, 21)
const hour = 3_600_000

/** An action and what was heard of it. */
type Line = readonly [Action, outcome?: string]

/** One client after the other, each call answered before the next begins. */
const oneByOne = (...lines: Line[]): Entry<Call>[] =>
  lines.map(([action, outcome], at) => entry(action, outcome, 2 * at, 2 * at + 1))

/** All of them under way together, behind what was done one by one. */
const together = (before: readonly Entry<Call>[], ...lines: Line[]): Entry<Call>[] => {
  const from = 2 * before.length
  const until = from + lines.length
  return [...before, ...lines.map(([action, heard], at) => entry(action, heard, from + at, until + at))]
}

function entry(action: Action, outcome: string | undefined, invoked: number, returned: number): Entry<Call> {
  const call = { ...action, now }
  return { client: `${invoked}`, call, invoked, returned, ...(outcome !== undefined && { outcome }) }
}

const start = (id: string): Action => ({ verb: 'start', id, expiresAt: now + hour })
const confirm = (id: string, credential: string): Action => ({ verb: 'confirm', id, credential, step: 10 })
const totp = (step: number, more: { seen?: string; challenge?: string } = {}): Action => {
  const { seen = 'c1', challenge } = more
  const verdict = { kind: 'totp', credentialId: seen, periodSeconds: 30, step } as const
  return { verb: 'verify', seen, verdict, ...(challenge !== undefined && { challenge }) }
}
const floored = (step: number): Action => ({ ...totp(step), isFloored: true }) as Action
const backup = (slot: number): Action => ({ verb: 'verify', seen: 'c1', verdict: { kind: 'backup', slot } })
const wrong: Action = { verb: 'verify', seen: 'c1', verdict: { kind: 'wrong', guessed: 'totp' } }
const revoke: Action = { verb: 'revoke' }
const find: Action = { verb: 'findSubject' }
const status: Action = { verb: 'status' }

const accepted = 'accepted, 10 left'
const enrolled: Line[] = [
  [start('e1'), 'created'],
  [confirm('e1', 'c1'), 'activated'],
]
const times = (count: number, line: Line): Line[] => Array.from({ length: count }, () => line)

describe('the history checker explains', () => {
  it.each<[string, Entry<Call>[]]>([
    [
      'a code refused for its time that stays unused',
      oneByOne(...enrolled, [floored(11), 'floored'], [totp(11), accepted]),
    ],
    [
      'one of equal verifies accepted, in any order',
      together(oneByOne(...enrolled), [totp(11), 'replayed'], [totp(11), accepted], [totp(11), 'replayed']),
    ],
    [
      'a verify accepted beside the revoke that ends it',
      together(oneByOne(...enrolled), [revoke, 'done'], [totp(11), accepted], [find, 'none']),
    ],
    [
      'a confirm without an answer that landed',
      oneByOne([start('e1'), 'created'], [confirm('e1', 'c1')], [find, 'c1']),
    ],
    [
      'and one that did not',
      oneByOne(
        [start('e1'), 'created'],
        [confirm('e1', 'c1')],
        [find, 'none'],
        [confirm('e1', 'c2'), 'activated'],
      ),
    ],
    [
      'a revoke without an answer that lands while others look',
      together(oneByOne(...enrolled), [revoke], [find, 'c1'], [find, 'none']),
    ],
    ['a code without an answer that is used up', oneByOne(...enrolled, [totp(11)], [totp(11), 'replayed'])],
    [
      'a lock after five wrong codes',
      oneByOne(...enrolled, ...times(5, [wrong, 'wrong']), [totp(11), 'locked for 30 s']),
    ],
    [
      'the same challenge with a code that stays unused',
      oneByOne(
        ...enrolled,
        [totp(11, { challenge: 'd' }), accepted],
        [totp(12, { challenge: 'd' }), 'replayed'],
        [totp(12), accepted],
      ),
    ],
  ])('%s', (_, history) => {
    expect(findViolation(history, model)).toBeUndefined()
  })
})

describe('the history checker finds', () => {
  it.each<[string, Entry<Call>[]]>([
    [
      'a code refused for its time and used up all the same',
      oneByOne(...enrolled, [floored(11), 'floored'], [totp(11), 'replayed']),
    ],
    [
      'a used code refused for its time',
      oneByOne(...enrolled, [totp(11), accepted], [floored(11), 'floored']),
    ],
    ['a code accepted twice', oneByOne(...enrolled, [totp(11), accepted], [totp(11), accepted])],
    [
      'a code accepted twice at once',
      together(oneByOne(...enrolled), [totp(11), accepted], [totp(11), accepted]),
    ],
    [
      'an earlier code accepted after a later one',
      oneByOne(...enrolled, [totp(12), accepted], [totp(11), accepted]),
    ],
    ['the code of the confirm accepted', oneByOne(...enrolled, [totp(10), accepted])],
    [
      'a backup code accepted twice',
      oneByOne(...enrolled, [backup(3), 'accepted, 9 left'], [backup(3), 'accepted, 9 left']),
    ],
    [
      'a used backup code that is whole again',
      together(oneByOne(...enrolled), [backup(1), 'accepted, 9 left'], [backup(2), 'accepted, 9 left']),
    ],
    [
      'a challenge accepted twice',
      oneByOne(
        ...enrolled,
        [totp(11, { challenge: 'd' }), accepted],
        [totp(12, { challenge: 'd' }), accepted],
      ),
    ],
    ['a lost confirm', oneByOne(...enrolled, [status, 'none'])],
    [
      'a start confirmed twice',
      together(
        oneByOne([start('e1'), 'created']),
        [confirm('e1', 'c1'), 'activated'],
        [confirm('e1', 'c2'), 'activated'],
      ),
    ],
    [
      'a confirm that brought half of it',
      oneByOne(...enrolled, [status, statusText({ credential: 'c1', left: 9 })]),
    ],
    ['a lost revoke', oneByOne(...enrolled, [revoke, 'done'], [find, 'c1'])],
    [
      'a revoke undone by a slow verify',
      together(oneByOne(...enrolled, [revoke, 'done']), [totp(11), accepted]),
    ],
    [
      'a revoke that leaves a start behind',
      oneByOne([start('e1'), 'created'], [revoke, 'done'], [confirm('e1', 'c1'), 'activated']),
    ],
    [
      'an old record that settles for a new one',
      oneByOne(
        ...enrolled,
        [revoke, 'done'],
        [start('e2'), 'created'],
        [confirm('e2', 'c2'), 'activated'],
        [totp(11), accepted],
      ),
    ],
    ['a right code refused', oneByOne(...enrolled, [totp(11), 'replayed'])],
    ['a sixth guess', together(oneByOne(...enrolled), ...times(6, [wrong, 'wrong']))],
    [
      'a right code looked at while it is locked',
      oneByOne(...enrolled, ...times(5, [wrong, 'wrong']), [totp(11), accepted]),
    ],
    [
      'a failure without an answer that counted twice',
      oneByOne(...enrolled, ...times(3, [wrong, 'wrong']), [wrong], [wrong, 'locked for 30 s']),
    ],
    [
      'a revoke without an answer that lands when it cannot be under way any more',
      oneByOne(...enrolled, [revoke], [find, 'c1'], [find, 'none']),
    ],
    [
      'a read from the past',
      oneByOne(...enrolled, [totp(11), accepted], [status, statusText({ credential: 'c1', left: 10 })]),
    ],
  ])('%s', (_, history) => {
    expect(findViolation(history, model)?.entries.at(-1)).toEqual(history.at(-1))
  })

  it('a violation at its place in a long history, and shows what belongs to it', () => {
    const calm: Line[] = [
      [find, 'c1'],
      [totp(9), 'replayed'],
      [find, 'c1'],
    ]
    const history = oneByOne(...enrolled, ...calm, [totp(11), accepted], ...times(5, [find, 'c1']))
    const broken = together(history, [find, 'c1'], [totp(12), accepted], [totp(12), accepted], [find, 'c1'])
    const violation = shrink(findViolation(broken, model)!, model, changedNothing)
    expect(violation.before.enrolled).toMatchObject({ credential: 'c1', lastStep: 11 })
    expect(violation.entries.map(({ call }) => call.verb)).toEqual(['verify', 'verify'])
    expect(describeViolation(violation).split('\n')).toHaveLength(5)
  })
})
