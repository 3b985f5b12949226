import { askRedis, locateRedisBinary, startRedisCluster, type RedisCluster } from '@herald/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRedisClient, type RedisClient } from './redis-client.ts'

const keys = Array.from({ length: 64 }, (_, n) => `n:{${n}}`)

describe.skipIf(locateRedisBinary() === undefined)('a client of a Cluster with replicas', () => {
  let cluster: RedisCluster
  let client: RedisClient
  let logged: object[]

  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 1000 })
  })
  beforeEach(async () => {
    logged = []
    const log = (fields: object) => void logged.push(fields)
    const logger = { debug() {}, info: log, warn: log, error() {} }
    client = createRedisClient(cluster.settings, { name: 'test', logger })
    await client.connect()
  })
  afterEach(() => client.close())
  afterAll(() => cluster.stop())

  const count = (key: string) => client.send(key, (connection) => connection.incr(key))
  const tried = (key: string) => count(key).then(String, String)

  it('follows a master that hands over in good order', async () => {
    const [replica] = cluster.servers.slice(3)
    if (!replica) throw new Error('there is no replica')
    let failures = 0
    let rounds = 0
    const load = async () => {
      for (; rounds < 40; rounds += 1)
        for (const answer of await Promise.all(keys.map(tried))) if (!/^\d+$/.test(answer)) failures += 1
    }
    await Promise.all([load(), cluster.failover(replica)])
    const total = (await Promise.all(keys.map(count))).reduce((sum, n) => sum + n - 1, 0)
    expect(total).toBeLessThanOrEqual(rounds * keys.length)
    expect(total).toBeGreaterThanOrEqual(rounds * keys.length - failures)
  })

  it('goes on with the replica when a master dies, and runs nothing twice', async () => {
    const key = 'n:{dies}'
    await count(key)
    const victim = await cluster.masterOf(key)
    await askRedis(victim, (admin) => admin.wait(1, 1000))
    await victim.kill()
    await expect.poll(() => tried(key), { timeout: 10_000 }).toBe('2')
    await expect.poll(() => logged).toContainEqual({ event: 'redis_back' })
  })
})
