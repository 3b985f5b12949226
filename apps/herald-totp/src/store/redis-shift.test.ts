import { locateRedisBinary, redisSettings, startRedis, type RedisServer } from '@herald/testing'
import { Redis } from 'ioredis'
import { beforeAll, describe, expect, it } from 'vitest'
import { createLossyProxy } from './lossy-proxy.fixture.ts'
import type { OpenTotpStore } from './open-totp-store.ts'
import { subjectTag } from './subject-tag.ts'
import { enrol, newEnrollment, openedBy, start, stepAt, verdictOf } from './totp-store.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const nextStep = start + 30_000
const parallel = 32

type Stores = { store: OpenTotpStore; /** Past the proxy. */ direct: OpenTotpStore }

describe.skipIf(locateRedisBinary() === undefined)('the store on a Redis whose replies are shifted', () => {
  let server: RedisServer
  let admin: Redis

  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.port)
    return async () => {
      admin.disconnect()
      await server.stop()
    }
  })

  async function openBoth() {
    const proxy = await createLossyProxy(server)
    const direct = await openedBy(redisSettings(server.url)).open()
    const store = await openedBy(redisSettings(`redis://127.0.0.1:${proxy.port}`)).open()
    return { proxy, store, direct }
  }

  const back = (store: OpenTotpStore) =>
    expect.poll(() => store.ping().then(() => 'back', String), { timeout: 5000 }).toBe('back')

  /** Enrols subjects and says how to verify each at once: by thirds with a right code, a wrong one and one used before. */
  async function enrolMixed({ store, direct }: Stores, scenario: string) {
    const names = Array.from({ length: parallel }, (_, index) => `${scenario}, subject ${index}`)
    const subjects = await Promise.all(names.map((name) => enrol(direct, name)))
    return subjects.map(({ version, credentialId }, index) => {
      const subject = names[index] ?? ''
      const expected = (['accepted', 'wrong', 'replayed'] as const)[index % 3] ?? 'wrong'
      const step = stepAt(expected === 'accepted' ? nextStep : start)
      const verdict =
        expected === 'wrong' ? ({ kind: 'wrong', guessed: 'totp' } as const) : verdictOf(credentialId, step)
      const settleBy = async (through: OpenTotpStore) => {
        const verification = { subject, version, verdict, now: nextStep }
        return (await through.settleVerification(verification)).outcome
      }
      return { subject, version, expected, settleBy, verify: () => settleBy(store) }
    })
  }

  /** Two replies more or less are one whole read with its marker: then every later pair fits the call before it. */
  const losses = [
    [0, 1],
    [0, 2],
    [1, 1],
    [17, 1],
    [30, 1],
    [30, 2],
  ] as const

  it('gives no verify the answer of another, and runs none twice', async () => {
    const verifyAll = async ([passed, lost]: readonly [number, number]) => {
      const { proxy, ...stores } = await openBoth()
      // So that each script is known to the connection.
      for (const { verify } of await enrolMixed(stores, `warm ${passed} ${lost}`)) await verify()
      const calls = await enrolMixed(stores, `settle ${passed} ${lost}`)
      proxy.loseReplies(passed, lost)
      const settled = await Promise.allSettled(calls.map(({ verify }) => verify()))
      expect(settled.some(({ status }) => status === 'rejected')).toBe(true)
      for (const [index, answer] of settled.entries()) {
        const { subject, expected, settleBy } = calls[index]!
        if (answer.status === 'fulfilled') expect(answer.value).toBe(expected)
        else expect(answer.reason).toMatchObject(unavailable)
        const failures = await admin.hget(`totp:{${subjectTag(subject)}}:used`, 'failures')
        expect(Number.parseInt(failures ?? '0', 10)).toBeLessThanOrEqual(expected === 'wrong' ? 1 : 0)
        if (expected !== 'wrong') expect(await settleBy(stores.direct)).toBe('replayed')
      }
      await back(stores.store)
    }
    await Promise.all(losses.map(verifyAll))
  })

  it('finds no record of another', async () => {
    const findAll = async ([passed, lost]: readonly [number, number]) => {
      const { proxy, store, direct } = await openBoth()
      const calls = await enrolMixed({ store, direct }, `find ${passed} ${lost}`)
      const enrollments = calls.map(({ subject }) => newEnrollment(`pending ${subject}`))
      await Promise.all(enrollments.map((enrollment) => direct.createEnrollment(enrollment, start)))
      await store.findSubject('nobody')
      proxy.loseReplies(passed, lost)
      const found = await Promise.allSettled([
        ...calls.map(async ({ subject, version }) => [(await store.findSubject(subject))?.version, version]),
        ...enrollments.map(async ({ id }) => [(await store.findEnrollment(id, start))?.id, id]),
      ])
      expect(found.some(({ status }) => status === 'rejected')).toBe(true)
      for (const answer of found) {
        if (answer.status === 'fulfilled') expect(answer.value[0]).toBe(answer.value[1])
        else expect(answer.reason).toMatchObject(unavailable)
      }
      await back(store)
    }
    await Promise.all(losses.map(findAll))
  })
})
