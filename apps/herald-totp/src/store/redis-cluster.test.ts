import type { RedisHandle, Script } from '@herald/storage'
import { locateRedisBinary, startRedisCluster } from '@herald/testing'
import { Cluster, type Redis } from 'ioredis'
import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTotpStore } from './open-totp-store.ts'
import { createSealedRecords, type SealedRecord } from './sealed-records.ts'
import { newEnrollment, policy, rightCode, slotOf, start } from './totp-store.fixture.ts'

/** A handle over a Cluster, without the marker. */
function handleOf(cluster: Cluster): RedisHandle {
  const client = cluster as unknown as Redis
  const run: RedisHandle['run'] = (operation) => operation(client)
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
    run,
    runMarked: run,
    ping: nothing,
    probeWrite: nothing,
    close: nothing,
  }
}

describe.skipIf(locateRedisBinary() === undefined)('sealed records on a Cluster', () => {
  it('are found and exchanged on every master', async () => {
    const servers = await startRedisCluster()
    onTestFinished(servers.stop)
    const cluster = new Cluster(servers.nodes)
    onTestFinished(() => cluster.disconnect())
    const handle = handleOf(cluster)
    const store = createTotpStore(handle, { policy, unknownSlot: slotOf, randomBytes })
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
