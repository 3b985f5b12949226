import { locateRedisBinary, startRedisCluster, type RedisCluster } from '@herald/testing'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OpenTotpStore } from './open-totp-store.ts'
import { createSealedRecords, type SealedRecord } from './sealed-records.ts'
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

  it('keeps the keys of each verb in one slot', async () => {
    const { enrollment, use, useSlot, guess } = await enrol(store, 'alice')
    await use(stepAt(nextStep), nextStep, { challenge: 'digest' })
    await useSlot(0, nextStep)
    await guess('totp', nextStep)
    await guess('totp', nextStep, { subject: 'nobody', version: 'unknown' })
    await store.unlock('alice', nextStep)
    await expect(store.status('alice', nextStep)).resolves.toMatchObject({ backupCodesRemaining: 9 })
    await store.revoke('alice', 'request', nextStep)
    await expect(store.findEnrollment(enrollment.id, nextStep)).resolves.toBeUndefined()
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
