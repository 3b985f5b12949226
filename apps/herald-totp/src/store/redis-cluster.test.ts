import type { RedisHandle, Script } from '@herald/storage'
import { locateRedisBinary, startRedisCluster, type RedisCluster } from '@herald/testing'
import { Cluster, type Redis } from 'ioredis'
import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { createTotpStore } from './open-totp-store.ts'
import { createSealedRecords, type SealedRecord } from './sealed-records.ts'
import type { TotpStore } from './store.ts'
import { enrol, newEnrollment, policy, rightCode, slotOf, start, stepAt } from './totp-store.fixture.ts'

/** A handle over a Cluster, without the marker. */
function handleOf(cluster: Cluster): RedisHandle {
  const client = cluster as unknown as Redis
  const script =
    (lua: string): Script =>
    (keys, args) =>
      cluster.eval(lua, keys.length, ...keys, ...args)
  const nothing = async () => {}
  return {
    engine: 'redis',
    keyPrefix: '',
    client,
    script,
    readHash: (hash) => cluster.call('HGETALL', hash) as Promise<string[]>,
    runMarked: (operation) => operation(client),
    ping: nothing,
    probeWrite: nothing,
    close: nothing,
  }
}

const nextStep = start + 30_000

describe.skipIf(locateRedisBinary() === undefined)('the store on a Cluster', () => {
  let servers: RedisCluster
  let handle: RedisHandle
  let store: TotpStore

  beforeAll(async () => {
    servers = await startRedisCluster()
    const cluster = new Cluster(servers.nodes)
    handle = handleOf(cluster)
    store = createTotpStore(handle, { policy, unknownSlot: slotOf, randomBytes })
    return async () => {
      cluster.disconnect()
      await servers.stop()
    }
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
    const records = createSealedRecords(handle)
    const boxes = async () => {
      const found = new Map<string, SealedRecord>()
      let cursor: string | undefined
      do {
        const page = await records.page(cursor, 10)
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
