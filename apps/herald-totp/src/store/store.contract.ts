import { describe, expect, it } from 'vitest'
import type { Settled, TotpStore } from './store.ts'
import {
  credentialOf,
  enrol,
  newEnrollment,
  rightCode,
  slotOf,
  start,
  stepAt,
  type TestEngine,
  verdictOf,
} from './totp-store.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const second = 1000
const minute = 60 * second
const hour = 60 * minute
const parallel = 64
const nextStep = start + 30 * second

const many = <T>(operation: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: parallel }, (_, index) => operation(index)))
const outcomes = (answers: readonly Settled[]): string[] => answers.map(({ outcome }) => outcome)
const counted = (answers: readonly string[], outcome: string): number =>
  answers.filter((answer) => answer === outcome).length

/** What every engine of the store must prove. */
export function describeTotpStore(engine: TestEngine): void {
  describe.skipIf(engine.skip)(`the store on ${engine.name}`, () => {
    describeEnrollment(engine)
    describeVerification(engine)
    describeBudgets(engine)
    describeChallenges(engine)
    describeRevoke(engine)
    describeStatus(engine)
    describeRaces(engine)
    describeDurability(engine)
    describeLoss(engine)
  })
}

function describeEnrollment({ create }: TestEngine): void {
  describe('enrolment', () => {
    it('is found until it expires by the clock passed in', async () => {
      const store = await create().open()
      const enrollment = newEnrollment('zoë \u0000 "/\\')
      await expect(store.createEnrollment(enrollment, start)).resolves.toEqual({ outcome: 'created' })
      await expect(store.findEnrollment(enrollment.id, enrollment.expiresAt - 1)).resolves.toEqual(enrollment)
      await expect(store.findEnrollment(enrollment.id, enrollment.expiresAt)).resolves.toBeUndefined()
      const late = store.settleEnrollment(enrollment.id, rightCode(enrollment), enrollment.expiresAt)
      await expect(late).resolves.toBe('gone')
    })

    it('is gone for an id that never was, of any shape', async () => {
      const store = await create().open()
      for (const id of ['x', 'e_', newEnrollment('nobody').id, '../totp:marker', `e_${'{'.repeat(44)}`]) {
        await expect(store.findEnrollment(id, start)).resolves.toBeUndefined()
        await expect(store.settleEnrollment(id, { kind: 'wrong' }, start)).resolves.toBe('gone')
      }
    })

    it('lands credential, first used step and backup codes together', async () => {
      const store = await create().open()
      const enrollment = newEnrollment('alice')
      await store.createEnrollment(enrollment, start)
      await expect(store.findSubject('alice')).resolves.toBeUndefined()
      const right = rightCode(enrollment)
      await expect(store.settleEnrollment(enrollment.id, right, start)).resolves.toBe('activated')
      await expect(store.findSubject('alice')).resolves.toEqual({
        version: expect.any(Number) as number,
        credentials: [credentialOf(enrollment, start)],
        backupSet: right.backupSet,
      })
      await expect(store.findEnrollment(enrollment.id, start)).resolves.toBeUndefined()
      await expect(store.findSubject('Alice')).resolves.toBeUndefined()
    })

    it('lets the code that confirmed it not log in', async () => {
      const alice = await enrol(await create().open(), 'alice')
      await expect(alice.use(stepAt(start), start)).resolves.toEqual({ outcome: 'replayed' })
    })

    it('is burned by the fifth wrong code', async () => {
      const store = await create().open()
      const enrollment = newEnrollment('alice')
      await store.createEnrollment(enrollment, start)
      for (let wrong = 0; wrong < 5; wrong++) {
        await expect(store.settleEnrollment(enrollment.id, { kind: 'wrong' }, start)).resolves.toBe('wrong')
      }
      await expect(store.settleEnrollment(enrollment.id, rightCode(enrollment), start)).resolves.toBe('gone')
      await expect(store.findEnrollment(enrollment.id, start)).resolves.toBeUndefined()
    })

    it('keeps five pending, of which the oldest falls out', async () => {
      const store = await create().open()
      const enrollments = Array.from({ length: 6 }, () => newEnrollment('alice'))
      for (const enrollment of enrollments) await store.createEnrollment(enrollment, start)
      const found = await Promise.all(enrollments.map(({ id }) => store.findEnrollment(id, start)))
      expect(found.map((enrollment) => enrollment !== undefined)).toEqual([
        false,
        true,
        true,
        true,
        true,
        true,
      ])
    })

    it('is refused to an enrolled subject, whose other pending ones are dropped', async () => {
      const store = await create().open()
      const other = newEnrollment('alice')
      await store.createEnrollment(other, start)
      await enrol(store, 'alice')
      await expect(store.settleEnrollment(other.id, rightCode(other), start)).resolves.toBe('gone')
      const again = store.createEnrollment(newEnrollment('alice'), start)
      await expect(again).resolves.toEqual({ outcome: 'already_enrolled' })
    })

    it('can be started so often an hour', async () => {
      const store = await create().open({ startsPerHour: 3 })
      const begin = (now: number, subject = 'alice') =>
        store.createEnrollment(newEnrollment(subject, now), now)
      for (let started = 0; started < 3; started++) await begin(start)
      await expect(begin(start)).resolves.toEqual({ outcome: 'rate_limited', retryAfterSeconds: 1200 })
      await expect(begin(start, 'bob')).resolves.toEqual({ outcome: 'created' })
      await expect(begin(start + 20 * minute)).resolves.toEqual({ outcome: 'created' })
    })
  })
}

function describeVerification({ create }: TestEngine): void {
  describe('verification', () => {
    it('accepts each step once and only ever a later one', async () => {
      const { use } = await enrol(await create().open(), 'alice')
      const step = stepAt(nextStep)
      await expect(use(step + 1, nextStep)).resolves.toEqual({
        outcome: 'accepted',
        backupCodesRemaining: 10,
      })
      for (const used of [step + 1, step]) {
        await expect(use(used, nextStep)).resolves.toEqual({ outcome: 'replayed' })
      }
      await expect(use(step + 2, nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('accepts each backup code once', async () => {
      const { useSlot } = await enrol(await create().open(), 'alice')
      await expect(useSlot(9, start)).resolves.toEqual({ outcome: 'accepted', backupCodesRemaining: 9 })
      await expect(useSlot(9, start)).resolves.toEqual({ outcome: 'replayed' })
      await expect(useSlot(0, start)).resolves.toEqual({ outcome: 'accepted', backupCodesRemaining: 8 })
    })

    it('accepts no step that may have been used before a loss, and says when there is a later one', async () => {
      const testStore = create()
      const first = await testStore.open()
      const { credentialId, version } = await enrol(first, 'alice')
      await first.close()
      await testStore.interrupt()
      const store = await testStore.open()
      const use = (step: number, now: number) =>
        store.settleVerification({ subject: 'alice', version, verdict: verdictOf(credentialId, step), now })
      const step = stepAt(nextStep)
      const floored = { outcome: 'floored', retryAfterSeconds: 29 }
      await expect(use(step, nextStep + second)).resolves.toEqual(floored)
      await expect(use(step, nextStep + 40 * second)).resolves.toEqual({ ...floored, retryAfterSeconds: 0 })
      await expect(use(step - 1, nextStep)).resolves.toEqual({ outcome: 'replayed' })
      await expect(use(step + 1, nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('learns of the floor of a confirmation while it runs', async () => {
      const testStore = create()
      const { use } = await enrol(await testStore.open(), 'alice')
      await testStore.confirm()
      const floored = { outcome: 'floored', retryAfterSeconds: 29 }
      await expect(use(stepAt(nextStep), nextStep + second)).resolves.toEqual(floored)
    })

    it('has no floor after a stop in order', async () => {
      const testStore = create()
      const first = await testStore.open()
      const { credentialId, version } = await enrol(first, 'alice')
      await first.close()
      const store = await testStore.open()
      const verdict = verdictOf(credentialId, stepAt(nextStep))
      const settled = store.settleVerification({ subject: 'alice', version, verdict, now: nextStep })
      await expect(settled).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('does not change the version by use', async () => {
      const store = await create().open()
      const { use, version } = await enrol(store, 'alice')
      await use(stepAt(nextStep), nextStep)
      await expect(store.findSubject('alice')).resolves.toMatchObject({ version })
    })

    it('is gone for a subject that has another version, or none', async () => {
      const store = await create().open()
      const { use, version, settle } = await enrol(store, 'alice')
      const gone = { outcome: 'gone' }
      await expect(use(stepAt(nextStep), nextStep, { version: version + 1 })).resolves.toEqual(gone)
      await expect(settle({ kind: 'backup', slot: 0 }, start, { subject: 'bob' })).resolves.toEqual(gone)
    })

    it('is unavailable, not accepted, for a credential or slot that the subject does not have', async () => {
      const { settle } = await enrol(await create().open(), 'alice')
      const stranger = settle(verdictOf('c_other', stepAt(nextStep)), nextStep)
      await expect(stranger).rejects.toMatchObject(unavailable)
      await expect(settle({ kind: 'backup', slot: 10 }, start)).rejects.toMatchObject(unavailable)
    })
  })
}

function describeBudgets({ create }: TestEngine): void {
  describe('the failure budgets', () => {
    it('give five free failures, then waits of 30 s doubling to 15 min', async () => {
      const { guess } = await enrol(await create().open({ failuresPerHour: 1000 }), 'alice')
      let now = start
      for (let free = 0; free < 5; free++)
        await expect(guess('totp', now)).resolves.toEqual({ outcome: 'wrong' })
      for (const wait of [30, 60, 120, 240, 480, 900, 900]) {
        await expect(guess('totp', now)).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: wait })
        now += wait * second
        await expect(guess('totp', now - 1)).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: 1 })
        await expect(guess('totp', now)).resolves.toEqual({ outcome: 'wrong' })
      }
    })

    it('allow so many failures in any hour', async () => {
      const { guess } = await enrol(await create().open({ failuresPerHour: 3 }), 'alice')
      for (const at of [0, 10, 20]) await guess('totp', start + at * minute)
      const locked = guess('totp', start + 30 * minute)
      await expect(locked).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: 1800 })
      await expect(guess('totp', start + hour)).resolves.toEqual({ outcome: 'wrong' })
      await expect(guess('totp', start + hour)).resolves.toEqual({
        outcome: 'locked',
        retryAfterSeconds: 600,
      })
    })

    it('stop TOTP after so many failures in a row, however long ago, and leave backup codes usable', async () => {
      const { guess, use, useSlot } = await enrol(await create().open({ lockAfterFailures: 6 }), 'alice')
      for (let wrong = 0; wrong < 6; wrong++) await guess('totp', start + wrong * hour)
      const later = start + 1000 * hour
      await expect(use(stepAt(later), later)).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: 3600 })
      await expect(useSlot(0, later)).resolves.toMatchObject({ outcome: 'accepted' })
      await expect(use(stepAt(later), later)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('hold nobody up until a date that a wrong clock gave', async () => {
      const store = await create().open()
      const { guess, use } = await enrol(store, 'alice')
      const wrongClock = start + 10_000 * hour
      for (let wrong = 0; wrong < 5; wrong++) await guess('totp', wrongClock)
      for (let wrong = 0; wrong < 20; wrong++) await guess('backup', wrongClock)
      await expect(store.status('alice', nextStep)).resolves.not.toHaveProperty('lockedUntil')
      await expect(guess('backup', nextStep)).resolves.toEqual({ outcome: 'wrong' })
      await expect(use(stepAt(nextStep), nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('count what a replica has counted whose clock is a little ahead', async () => {
      const { guess } = await enrol(await create().open(), 'alice')
      for (let wrong = 0; wrong < 5; wrong++) await guess('totp', start + minute)
      await expect(guess('totp', start)).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: 90 })
    })

    it('never stop TOTP for good when that is off', async () => {
      const { guess, use } = await enrol(await create().open({ lockAfterFailures: 'off' }), 'alice')
      for (let wrong = 0; wrong < 120; wrong++) await guess('totp', start + wrong * hour)
      const later = start + 200 * hour
      await expect(use(stepAt(later), later)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('allow twenty wrong backup codes an hour of their own', async () => {
      const { guess, use, useSlot } = await enrol(await create().open(), 'alice')
      for (let wrong = 0; wrong < 20; wrong++) {
        await expect(guess('backup', start)).resolves.toEqual({ outcome: 'wrong' })
      }
      await expect(useSlot(0, start)).resolves.toEqual({ outcome: 'locked', retryAfterSeconds: 3600 })
      await expect(use(stepAt(nextStep), nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
      await expect(useSlot(0, nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('refuse a right code while they say wait, and leave it unused', async () => {
      const { guess, use } = await enrol(await create().open(), 'alice')
      for (let wrong = 0; wrong < 5; wrong++) await guess('totp', nextStep)
      await expect(use(stepAt(nextStep), nextStep)).resolves.toMatchObject({ outcome: 'locked' })
      await expect(use(stepAt(nextStep), nextStep + 30 * second)).resolves.toMatchObject({
        outcome: 'accepted',
      })
    })

    it('are not charged for a replay', async () => {
      const { use } = await enrol(await create().open(), 'alice')
      for (let replay = 0; replay < 9; replay++) {
        await expect(use(stepAt(start), start)).resolves.toEqual({ outcome: 'replayed' })
      }
    })

    it('are cleared by success, unlock, and revoke', async () => {
      const store = await create().open()
      const { guess, use } = await enrol(store, 'alice')
      const exhaust = async (now: number) => {
        for (let wrong = 0; wrong < 5; wrong++) await guess('totp', now)
      }
      await exhaust(start)
      await use(stepAt(nextStep), nextStep)
      await exhaust(nextStep)
      await expect(guess('totp', nextStep)).resolves.toMatchObject({ outcome: 'locked' })
      await store.unlock('alice')
      await expect(guess('totp', nextStep)).resolves.toEqual({ outcome: 'wrong' })
      await store.revoke('alice', undefined, nextStep)
      const again = await enrol(store, 'alice', nextStep)
      for (let wrong = 0; wrong < 5; wrong++) {
        await expect(again.guess('totp', nextStep)).resolves.toEqual({ outcome: 'wrong' })
      }
    })

    it('are the same for subjects that do not exist', async () => {
      const store = await create().open()
      const known = await enrol(store, 'alice')
      const guess = (guessed: 'totp' | 'backup', now: number) =>
        store.settleVerification({
          subject: 'nobody',
          version: 'unknown',
          verdict: { kind: 'wrong', guessed },
          now,
        })
      for (const seconds of [0, 0, 0, 0, 0, 1, 29, 30, 31, 90, 5000, 5000, 9000]) {
        const now = start + seconds * second
        expect(await guess('totp', now)).toEqual(await known.guess('totp', now))
        expect(await guess('backup', now)).toEqual(await known.guess('backup', now))
      }
    })

    it('are not those of an unknown subject when it has enrolled since it was looked for', async () => {
      const { guess } = await enrol(await create().open(), 'alice')
      await expect(guess('totp', start, { version: 'unknown' })).resolves.toEqual({ outcome: 'gone' })
    })

    it('are shared by unknown subjects of one counter', async () => {
      const store = await create().open()
      const [one, other] = twoOfOneCounter()
      const guess = (subject: string) =>
        store.settleVerification({
          subject,
          version: 'unknown',
          verdict: { kind: 'wrong', guessed: 'totp' },
          now: start,
        })
      for (let wrong = 0; wrong < 5; wrong++) await guess(one)
      await expect(guess(other)).resolves.toMatchObject({ outcome: 'locked' })
    })
  })
}

function describeChallenges({ create }: TestEngine): void {
  describe('a challenge', () => {
    const challenge = { challenge: 'digest-of-a-challenge' }

    it('is claimed by success and then refuses a right code, which stays unused', async () => {
      const { use, useSlot } = await enrol(await create().open(), 'alice')
      const step = stepAt(nextStep)
      await expect(use(step, nextStep, challenge)).resolves.toMatchObject({ outcome: 'accepted' })
      await expect(use(step + 1, nextStep, challenge)).resolves.toEqual({ outcome: 'replayed' })
      await expect(useSlot(0, nextStep, challenge)).resolves.toEqual({ outcome: 'replayed' })
      await expect(use(step + 1, nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
      await expect(useSlot(0, nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('is not claimed by a wrong or used code, and a wrong one counts', async () => {
      const { use, guess } = await enrol(await create().open(), 'alice')
      await use(stepAt(start), nextStep, challenge)
      for (let wrong = 0; wrong < 4; wrong++) await guess('totp', nextStep, challenge)
      await expect(use(stepAt(nextStep), nextStep, challenge)).resolves.toMatchObject({ outcome: 'accepted' })
      for (let wrong = 0; wrong < 5; wrong++) await guess('totp', nextStep, challenge)
      await expect(guess('totp', nextStep, challenge)).resolves.toMatchObject({ outcome: 'locked' })
    })

    it('is forgotten after 15 minutes of the clock passed in', async () => {
      const { use } = await enrol(await create().open(), 'alice')
      await use(stepAt(nextStep), nextStep, challenge)
      const later = nextStep + 15 * minute
      await expect(use(stepAt(later), later - 1, challenge)).resolves.toEqual({ outcome: 'replayed' })
      await expect(use(stepAt(later), later, challenge)).resolves.toMatchObject({ outcome: 'accepted' })
    })

    it('belongs to its subject', async () => {
      const store = await create().open()
      const [alice, bob] = [await enrol(store, 'alice'), await enrol(store, 'bob')]
      await alice.use(stepAt(nextStep), nextStep, challenge)
      await expect(bob.use(stepAt(nextStep), nextStep, challenge)).resolves.toMatchObject({
        outcome: 'accepted',
      })
    })
  })
}

function describeRevoke({ create }: TestEngine): void {
  describe('revoke', () => {
    it('deletes credential, backup codes and pending enrolments', async () => {
      const store = await create().open()
      await enrol(store, 'alice')
      const pending = newEnrollment('bob')
      await store.createEnrollment(pending, start)
      for (const subject of ['alice', 'bob', 'nobody']) await store.revoke(subject, undefined, start)
      await expect(store.findSubject('alice')).resolves.toBeUndefined()
      await expect(store.status('alice', start)).resolves.toBeUndefined()
      await expect(store.settleEnrollment(pending.id, rightCode(pending), start)).resolves.toBe('gone')
    })

    it('is not undone by a slow verify, not even after a new enrolment', async () => {
      const store = await create().open()
      const slow = await enrol(store, 'alice')
      await store.revoke('alice', undefined, start)
      await expect(slow.use(stepAt(nextStep), nextStep)).resolves.toEqual({ outcome: 'gone' })
      await expect(slow.useSlot(0, nextStep)).resolves.toEqual({ outcome: 'gone' })
      await expect(store.findSubject('alice')).resolves.toBeUndefined()
      const again = await enrol(store, 'alice', nextStep)
      expect(again.version).not.toBe(slow.version)
      await expect(slow.useSlot(0, nextStep)).resolves.toEqual({ outcome: 'gone' })
    })

    it('does nothing a second time for a request it has served, until that is forgotten', async () => {
      const store = await create().open()
      await enrol(store, 'alice')
      await store.revoke('alice', 'signature', start)
      await enrol(store, 'alice')
      await store.revoke('alice', 'signature', start + 11 * minute - 1)
      await expect(store.findSubject('alice')).resolves.toBeDefined()
      await store.revoke('alice', 'signature', start + 11 * minute)
      await expect(store.findSubject('alice')).resolves.toBeUndefined()
    })

    it('keeps a used challenge used', async () => {
      const store = await create().open()
      const challenge = { challenge: 'digest' }
      await (await enrol(store, 'alice')).use(stepAt(nextStep), nextStep, challenge)
      await store.revoke('alice', undefined, nextStep)
      const { useSlot } = await enrol(store, 'alice', nextStep)
      await expect(useSlot(0, nextStep, challenge)).resolves.toEqual({ outcome: 'replayed' })
    })
  })
}

function describeStatus({ create }: TestEngine): void {
  describe('status', () => {
    it('shows the credentials without their secret, the codes left, the last use and the lock', async () => {
      const store = await create().open()
      await expect(store.status('alice', start)).resolves.toBeUndefined()
      const { enrollment, use, useSlot, guess } = await enrol(store, 'alice')
      const { box, ...credential } = credentialOf(enrollment, start)
      await expect(store.status('alice', start)).resolves.toEqual({
        credentials: [credential],
        backupCodesRemaining: 10,
      })
      await use(stepAt(nextStep), nextStep)
      await useSlot(3, nextStep + second)
      for (let wrong = 0; wrong < 5; wrong++) await guess('totp', nextStep + minute)
      const status = await store.status('alice', nextStep + minute + second)
      expect(status).toEqual({
        credentials: [{ ...credential, lastUsedAt: nextStep }],
        backupCodesRemaining: 9,
        lockedUntil: nextStep + minute + 30 * second,
      })
      expect(JSON.stringify(status)).not.toContain(box)
    })
  })
}

function describeRaces({ create }: TestEngine): void {
  describe('races', () => {
    it('let one of 64 equal codes win, over two handles', async () => {
      const testStore = create()
      const stores = [await testStore.open(), await testStore.open()] as const
      const { version, credentialId } = await enrol(stores[0], 'alice')
      // On SQLite the second start finds that the first has not stopped, and raises the floor.
      const verdict = verdictOf(credentialId, stepAt(nextStep) + 1)
      const answers = await many((index) =>
        storeOf(stores, index).settleVerification({
          subject: 'alice',
          version,
          verdict,
          now: nextStep,
        }),
      )
      expect(counted(outcomes(answers), 'accepted')).toBe(1)
      expect(counted(outcomes(answers), 'replayed')).toBe(parallel - 1)
    })

    it('let one of 64 equal backup codes win, and lose none of ten different ones', async () => {
      const store = await create().open()
      const alice = await enrol(store, 'alice')
      const equal = await many(() => alice.useSlot(4, start))
      expect(counted(outcomes(equal), 'accepted')).toBe(1)
      const bob = await enrol(store, 'bob')
      const different = await many((index) => bob.useSlot(index % 10, start))
      expect(counted(outcomes(different), 'accepted')).toBe(10)
      await expect(store.status('bob', start)).resolves.toMatchObject({ backupCodesRemaining: 0 })
    })

    it.each(['totp', 'backup'] as const)(
      'answer no more %s guesses than the budget, over two handles',
      async (guessed) => {
        const testStore = create()
        const stores = [await testStore.open(), await testStore.open()] as const
        const { version } = await enrol(stores[0], 'alice')
        const settle = (subject: string, known: number | 'unknown') =>
          many((index) =>
            storeOf(stores, index).settleVerification({
              subject,
              version: known,
              verdict: { kind: 'wrong', guessed },
              now: start,
            }),
          )
        const budget = { totp: 5, backup: 20 }[guessed]
        expect(counted(outcomes(await settle('alice', version)), 'wrong')).toBe(budget)
        expect(counted(outcomes(await settle('nobody', 'unknown')), 'wrong')).toBe(budget)
      },
    )

    it('activate one of 64 equal confirms, and one of two enrolments', async () => {
      const store = await create().open()
      const [one, other] = [newEnrollment('alice'), newEnrollment('alice')]
      for (const enrollment of [one, other]) await store.createEnrollment(enrollment, start)
      const answers = await many((index) => {
        const enrollment = index % 2 ? one : other
        return store.settleEnrollment(enrollment.id, rightCode(enrollment), start)
      })
      expect(counted(answers, 'activated')).toBe(1)
      expect(counted(answers, 'gone')).toBe(parallel - 1)
      await expect(store.findSubject('alice')).resolves.toMatchObject({ credentials: [{}] })
    })

    it('burn an enrolment at five of 64 wrong codes', async () => {
      const store = await create().open()
      const enrollment = newEnrollment('alice')
      await store.createEnrollment(enrollment, start)
      const answers = await many(() => store.settleEnrollment(enrollment.id, { kind: 'wrong' }, start))
      expect(counted(answers, 'wrong')).toBe(5)
    })

    it('never let a verify resurrect what a revoke deleted', async () => {
      const store = await create().open()
      const alice = await enrol(store, 'alice')
      await Promise.all([
        many((index) => alice.use(stepAt(nextStep) + index, nextStep)),
        store.revoke('alice', undefined, nextStep),
        many((index) => alice.useSlot(index % 10, nextStep)),
      ])
      await expect(store.findSubject('alice')).resolves.toBeUndefined()
      await expect(store.status('alice', nextStep)).resolves.toBeUndefined()
    })

    it('remember a challenge for one of 64 different codes', async () => {
      const { use } = await enrol(await create().open(), 'alice')
      const answers = await many((index) => use(stepAt(nextStep) + index, nextStep, { challenge: 'digest' }))
      expect(counted(outcomes(answers), 'accepted')).toBe(1)
    })
  })
}

function describeDurability({ create }: TestEngine): void {
  it('remembers everything when it is opened again', async () => {
    const testStore = create()
    const first = await testStore.open()
    const { version, credentialId, use, useSlot, guess } = await enrol(first, 'alice')
    await use(stepAt(nextStep), nextStep, { challenge: 'digest' })
    await useSlot(0, nextStep)
    for (let wrong = 0; wrong < 4; wrong++) await guess('totp', nextStep)
    await first.close()
    const second = await testStore.open()
    await expect(second.findSubject('alice')).resolves.toMatchObject({ version })
    const verification = { subject: 'alice', version, now: nextStep }
    const again = [verdictOf(credentialId, stepAt(nextStep)), { kind: 'backup', slot: 0 }] as const
    for (const verdict of again) {
      const answer = second.settleVerification({ ...verification, verdict })
      await expect(answer).resolves.toEqual({ outcome: 'replayed' })
    }
    const wrong = { ...verification, verdict: { kind: 'wrong', guessed: 'totp' } } as const
    await expect(second.settleVerification(wrong)).resolves.toEqual({ outcome: 'wrong' })
    await expect(second.settleVerification(wrong)).resolves.toMatchObject({ outcome: 'locked' })
  })
}

function describeLoss({ create }: TestEngine): void {
  describe.each(['loseMarker', 'empty'] as const)('after a loss (%s)', (loss) => {
    it('is unavailable and never says that something is not there, until it is confirmed', async () => {
      const testStore = create()
      const store = await testStore.open()
      const { enrollment, use, version } = await enrol(store, 'alice')
      await testStore[loss]()
      const unknown = newEnrollment('bob')
      const verbs: Record<string, (now: TotpStore) => Promise<unknown>> = {
        verify: async (now) => {
          const record = await now.findSubject('alice')
          const verdict = { kind: 'wrong', guessed: 'totp' } as const
          const verification = { subject: 'alice', verdict, now: nextStep }
          return now.settleVerification({ ...verification, version: record?.version ?? 'unknown' })
        },
        status: ({ status }) => status('alice', start),
        findEnrollment: ({ findEnrollment }) => findEnrollment(unknown.id, start),
        findForeign: ({ findEnrollment }) => findEnrollment('not-ours', start),
        createEnrollment: ({ createEnrollment }) => createEnrollment(unknown, start),
        settleEnrollment: ({ settleEnrollment }) => settleEnrollment(enrollment.id, { kind: 'wrong' }, start),
        settleForeign: ({ settleEnrollment }) => settleEnrollment('not-ours', { kind: 'wrong' }, start),
        gone: () => use(stepAt(nextStep), nextStep, { version: version + 1 }),
        revoke: ({ revoke }) => revoke('alice', undefined, start),
        unlock: ({ unlock }) => unlock('alice'),
        ping: ({ ping }) => ping(),
      }
      for (const [verb, call] of Object.entries(verbs)) {
        expect({ verb, error: await failureOf(call(store)) }).toMatchObject({ verb, error: unavailable })
      }
      await testStore.confirm()
      await expect(store.ping()).resolves.toBeUndefined()
      await expect(store.findSubject('nobody')).resolves.toBeUndefined()
    })
  })

  it('is unavailable on the first call after its marker went, whichever it is', async () => {
    const testStore = create()
    const store = await testStore.open()
    const { use, version } = await enrol(store, 'alice')
    await testStore.empty()
    const slow = use(stepAt(nextStep), nextStep, { version })
    await expect(slow).rejects.toMatchObject(unavailable)
  })
}

function storeOf<T>(stores: readonly [T, T], index: number): T {
  return stores[index % 2 ? 1 : 0]
}

/** Two names whose unknown subjects share a counter. */
function twoOfOneCounter(): [string, string] {
  const seen = new Map<number, string>()
  for (let number = 0; ; number++) {
    const name = `nobody-${number}`
    const earlier = seen.get(slotOf(name))
    if (earlier !== undefined) return [earlier, name]
    seen.set(slotOf(name), name)
  }
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  )
}
