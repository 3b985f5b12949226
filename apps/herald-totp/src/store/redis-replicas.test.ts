import { askRedis, locateRedisBinary, redisSettings, startRedis, type RedisServer } from '@herald/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { OpenTotpStore } from './open-totp-store.ts'
import { subjectTag } from './subject-tag.ts'
import { enrol, newEnrollment, openedBy, rightCode, start, stepAt } from './totp-store.fixture.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }
const nextStep = start + 30_000

describe.skipIf(locateRedisBinary() === undefined)(
  'the store on a Redis whose replica must hold its writes',
  () => {
    let master: RedisServer
    let replica: RedisServer
    let store: OpenTotpStore

    beforeEach(async () => {
      master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
      replica = await startRedis({ args: ['--replicaof', master.host, String(master.port)] })
      store = await openedBy({ ...redisSettings(master.url), ackReplicas: 1 }).open()
      let attempt = 0
      // A confirm that is unavailable may have landed, and its subject cannot enrol again.
      const confirmed = async () => {
        const enrollment = newEnrollment(`nobody ${++attempt}`)
        await store.createEnrollment(enrollment, start)
        return store.settleEnrollment(enrollment.id, rightCode(enrollment), start).catch(() => 'unavailable')
      }
      await expect.poll(confirmed, { timeout: 5000 }).toBe('activated')
      return async () => {
        replica.resume()
        await Promise.all([master.stop(), replica.stop()])
      }
    })

    it('says that a confirm, a revoke or a backup code counts only when the replica holds it', async () => {
      const { useSlot } = await enrol(store, 'alice')
      const enrollment = newEnrollment('bob')
      await store.createEnrollment(enrollment, start)
      replica.pause()
      const refused = [
        () => useSlot(0, nextStep),
        () => store.settleEnrollment(enrollment.id, rightCode(enrollment), start),
        () => store.revoke('alice', undefined, nextStep),
        () => store.revoke('alice', 'request', nextStep),
        () => store.revoke('alice', 'request', nextStep),
      ]
      for (const write of refused) await expect(write()).rejects.toMatchObject(unavailable)
      replica.resume()
      const again = () => store.revoke('alice', 'request', nextStep).then(() => 'revoked', String)
      await expect.poll(again, { timeout: 5000 }).toBe('revoked')
      const left = await askRedis(replica, (admin) => admin.keys('*:subject'))
      expect(left).toContain(`totp:{${subjectTag('bob')}}:subject`)
      expect(left).not.toContain(`totp:{${subjectTag('alice')}}:subject`)
    })

    it('judges a code, right or wrong, without a replica', async () => {
      const { use, guess } = await enrol(store, 'alice')
      replica.pause()
      await expect(use(stepAt(nextStep), nextStep)).resolves.toMatchObject({ outcome: 'accepted' })
      await expect(guess('totp', nextStep)).resolves.toEqual({ outcome: 'wrong' })
      await expect(guess('backup', nextStep)).resolves.toEqual({ outcome: 'wrong' })
    })
  },
)
