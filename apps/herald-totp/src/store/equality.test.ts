import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redisEngine } from './redis.fixture.ts'
import { sqliteEngine } from './sqlite.fixture.ts'
import type { Enrollment, StorePolicy, TotpStore, Verdict } from './store.ts'
import { newEnrollment, rightCode, start, stepAt, verdictOf } from './totp-store.fixture.ts'

type Step =
  | { verb: 'createEnrollment' | 'status' | 'findSubject' | 'unlock'; subject: 0 | 1 }
  | { verb: 'findEnrollment' | 'confirm' | 'failConfirm'; pending: number }
  | { verb: 'revoke'; subject: 0 | 1; request: string | undefined }
  | {
      verb: 'verify'
      subject: 0 | 1
      stale: boolean
      challenge: string | undefined
      guess:
        | { kind: 'totp'; offset: number }
        | { kind: 'backup'; slot: number }
        | { kind: 'wrong'; guessed: 'totp' | 'backup' }
      times: number
    }
  | { verb: 'wait'; seconds: number }

const names = ['alice', 'bob'] as const
const subject = fc.constantFrom<0 | 1>(0, 0, 0, 1)
const optional = (...values: string[]) => fc.constantFrom(undefined, ...values)
const constant = <T extends string>(value: T) => fc.constant(value)

const guess = fc.oneof(
  fc.record({ kind: constant('totp'), offset: fc.integer({ min: -1, max: 2 }) }),
  fc.record({ kind: constant('backup'), slot: fc.nat({ max: 9 }) }),
  fc.record({ kind: constant('wrong'), guessed: fc.constantFrom('totp' as const, 'backup' as const) }),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      verb: fc.constantFrom(
        'createEnrollment' as const,
        'status' as const,
        'findSubject' as const,
        'unlock' as const,
      ),
      subject,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      verb: fc.constantFrom('findEnrollment' as const, 'confirm' as const, 'failConfirm' as const),
      pending: fc.constantFrom(0, 0, 0, 1, 5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ verb: constant('revoke'), subject, request: optional('r1', 'r2') }) },
  {
    weight: 8,
    arbitrary: fc.record({
      verb: constant('verify'),
      subject,
      stale: fc.constantFrom(false, false, true),
      challenge: optional('c1', 'c2', 'c3', 'c4'),
      guess,
      times: fc.constantFrom(1, 1, 1, 2, 7),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      verb: constant('wait'),
      seconds: fc.constantFrom(1, 29, 30, 45, 60, 300, 900, 3600),
    }),
  },
)

const someBudget: fc.Arbitrary<Partial<StorePolicy>> = fc.record({
  startsPerHour: fc.constantFrom(2, 7, 20),
  failuresPerHour: fc.constantFrom(3, 7, 20),
  lockAfterFailures: fc.constantFrom(6, 100, 'off' as const),
})

/** Plays steps on one store; what happens depends on the steps and the store's answers alone. */
function createPlayer(store: TotpStore, templates: readonly Enrollment[][]) {
  const created: Enrollment[] = []
  const versions = new Map<string, number>()
  let now = start

  async function verify(wanted: Extract<Step, { verb: 'verify' }>): Promise<unknown> {
    const name = names[wanted.subject]
    const record = await store.findSubject(name)
    const version = (wanted.stale ? versions.get(name) : undefined) ?? record?.version ?? ('unknown' as const)
    if (record) versions.set(name, record.version)
    const { guess: guessed, challenge } = wanted
    const credentialId = record?.credentials[0]?.id ?? 'none'
    const verdict: Verdict =
      guessed.kind === 'totp' ? verdictOf(credentialId, stepAt(now) + guessed.offset) : guessed
    const verification = { subject: name, version, verdict, now, ...(challenge && { challenge }) }
    const answers = []
    for (let time = 0; time < wanted.times; time++) answers.push(await store.settleVerification(verification))
    return answers
  }

  async function settle(pending: number, isRight: boolean): Promise<unknown> {
    const enrollment = created.at(-1 - pending)
    if (!enrollment) return undefined
    return store.settleEnrollment(
      enrollment.id,
      isRight ? rightCode(enrollment, now) : { kind: 'wrong' },
      now,
    )
  }

  async function begin(subjectIndex: 0 | 1): Promise<unknown> {
    const template = templates[created.length]?.[subjectIndex]
    if (!template) return undefined
    const enrollment = { ...template, createdAt: now, expiresAt: now + 600_000 }
    created.push(enrollment)
    return store.createEnrollment(enrollment, now)
  }

  return async (wanted: Step): Promise<unknown> => {
    switch (wanted.verb) {
      case 'wait':
        return (now += wanted.seconds * 1000)
      case 'createEnrollment':
        return begin(wanted.subject)
      case 'findEnrollment':
        return store.findEnrollment(created.at(-1 - wanted.pending)?.id ?? 'none', now)
      case 'confirm':
      case 'failConfirm':
        return settle(wanted.pending, wanted.verb === 'confirm')
      case 'verify':
        return verify(wanted)
      case 'revoke':
        return store.revoke(names[wanted.subject], wanted.request, now)
      case 'findSubject': {
        const record = await store.findSubject(names[wanted.subject])
        return record && { ...record, version: undefined }
      }
      default:
        return store[wanted.verb](names[wanted.subject], now)
    }
  }
}

/** So that most of a history is about an enrolled subject. */
const opening: readonly Step[] = [
  { verb: 'createEnrollment', subject: 0 },
  { verb: 'confirm', pending: 0 },
]

describe.skipIf(redisEngine.skip)('the two engines', () => {
  it('give the same answers to the same history', async () => {
    await fc.assert(
      fc.asyncProperty(
        someBudget,
        fc.array(step, { minLength: 30, maxLength: 80, size: 'max' }),
        async (budget, drawn) => {
          const steps = [...opening, ...drawn]
          const templates = steps.map(() => names.map((name) => newEnrollment(name)))
          const players = []
          for (const engine of [sqliteEngine, redisEngine]) {
            players.push(createPlayer(await engine.create().open(budget), templates))
          }
          for (const wanted of steps) {
            const [onSqlite, onRedis] = await Promise.all(players.map((play) => play(wanted)))
            expect(onRedis).toEqual(onSqlite)
          }
        },
      ),
      { numRuns: 25 },
    )
  })
})
