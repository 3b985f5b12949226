import { askRedis, locateRedisBinary, startRedisCluster, type RedisCluster } from '@herald/testing'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OpenTotpStore } from './open-totp-store.ts'
import { createSealedRecords, type SealedRecord } from './sealed-records.ts'
import { subjectTag } from './subject-tag.ts'
import { enrol, newEnrollment, openedBy, rightCode, start, stepAt } from './totp-store.fixture.ts'

const nextStep = start + 30_000

describe.skipIf(locateRedisBinary() === undefined)('the store on a Cluster', () => {
  let servers: RedisCluster
  let store: OpenTotpStore

  beforeAll(async () => {
    servers = await startRedisCluster()
    return servers.stop
  })

  beforeEach(async () => {
    store = await openedBy(servers.settings).open()
  })

  afterEach(async () => {
    await Promise.all(servers.servers.map((server) => askRedis(server, (admin) => admin.flushall())))
  })

  it('keeps the keys of each verb in one slot', async () => {
    const { enrollment, use, useSlot, guess } = await enrol(store, 'alice')
    await use(stepAt(nextStep), nextStep, { challenge: 'digest' })
    await useSlot(0, nextStep)
    await guess('totp', nextStep)
    await guess('totp', nextStep, { subject: 'nobody', version: 'unknown' })
    await store.unlock('alice')
    await expect(store.status('alice', nextStep)).resolves.toMatchObject({ backupCodesRemaining: 9 })
    await store.revoke('alice', 'request', nextStep)
    await expect(store.findEnrollment(enrollment.id, nextStep)).resolves.toBeUndefined()
  })

  it('never says that a subject is not enrolled where a master came back empty', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `subject ${n}`)
    await Promise.all(names.map((name) => enrol(store, name)))
    const [victim] = servers.servers
    if (!victim) throw new Error('there is no master')
    const held = await Promise.all(
      names.map((name) => servers.masterOf(`totp:{${subjectTag(name)}}:subject`)),
    )
    expect(new Set(held).size).toBeGreaterThan(1)
    await askRedis(victim, (admin) => admin.flushall())
    const verify = async (subject: string) => {
      const record = await store.findSubject(subject)
      const verdict = { kind: 'wrong', guessed: 'totp' } as const
      const verification = { subject, verdict, now: nextStep, version: record?.version ?? 'unknown' } as const
      return store.settleVerification(verification)
    }
    for (const [index, name] of names.entries()) {
      const [status, verified] = await Promise.allSettled([store.status(name, nextStep), verify(name)])
      if (held[index] === victim) {
        expect(status).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } })
        expect(verified).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } })
      } else {
        expect(status).toMatchObject({ value: { backupCodesRemaining: 10 } })
        expect(verified).toMatchObject({ value: { outcome: 'wrong' } })
      }
    }
  })

  it('finds and exchanges sealed records on every master', async () => {
    for (let n = 0; n < 40; n += 1) {
      const enrollment = newEnrollment(`subject ${n}`)
      await store.createEnrollment(enrollment, start)
      await store.settleEnrollment(enrollment.id, rightCode(enrollment), start)
    }
    const records = createSealedRecords(store.handle)
    const boxes = async () => {
      const found = new Map<string, SealedRecord>()
      let cursor: string | undefined
      do {
        const page = await records.page(cursor, 1000)
        for (const record of page.records) found.set(`${record.kind} ${record.id} ${record.subject}`, record)
        cursor = page.cursor
      } while (cursor !== undefined)
      return [...found.values()]
    }
    const found = await boxes()
    expect(found).toHaveLength(80)
    await records.exchange(found.map((record) => ({ record, box: `new ${record.kind}` })))
    const after = (await boxes()).map(({ box }) => box)
    expect(new Set(after)).toEqual(new Set(['new credential', 'new backup']))
  })
})
