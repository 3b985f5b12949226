import { locateRedisBinary, redisSettings, startRedis, startRedisCluster } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { countKeys, scanPage } from './redis-scan.ts'
import type { RedisSettings } from './store-settings.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

async function connect(settings: RedisSettings): Promise<RedisClient> {
  const client = createRedisClient(settings, { name: 'test', logger: silent })
  onTestFinished(() => client.close())
  await client.connect()
  return client
}

async function scanAll(client: RedisClient, cursor?: string): Promise<string[]> {
  const page = await scanPage(client, 'x:*', { cursor, count: 10 })
  return page.cursor === undefined ? page.keys : [...page.keys, ...(await scanAll(client, page.cursor))]
}

const names = Array.from({ length: 300 }, (_, n) => `x:{${n}}`)
const fill = (client: RedisClient) =>
  Promise.all([...names, 'other'].map((name) => client.send(name, (connection) => connection.set(name, '1'))))
const sorted = (keys: Iterable<string>) => [...new Set(keys)].toSorted()

describe.skipIf(locateRedisBinary() === undefined)('a scan', () => {
  it('finds the keys of every master of a Cluster', async () => {
    const servers = await startRedisCluster()
    onTestFinished(servers.stop)
    const client = await connect(servers.settings)
    await fill(client)
    expect(sorted(await scanAll(client))).toEqual(names.toSorted())
    expect(await countKeys(client)).toBe(names.length + 1)
  })

  it('begins anew when a slot moved, and lists none while it moves', async () => {
    const servers = await startRedisCluster()
    onTestFinished(servers.stop)
    const client = await connect(servers.settings)
    await fill(client)
    const scanMaster = (cursor?: string) => scanPage(client, 'x:*', { cursor, count: 1000 })
    const { keys, cursor } = await scanMaster()
    const moved = names.find((name) => !keys.includes(name)) ?? ''
    const during = new Set<string>()
    await servers.moveSlot(moved, await servers.masterOf(keys[0] ?? ''), async () => {
      during.add(await scanMaster(cursor).then(() => 'listed', String))
    })
    expect([...during]).toEqual([expect.stringContaining('on their way')])
    const rest = async () => sorted([...keys, ...(await scanAll(client, cursor))])
    await expect.poll(() => rest().catch(String)).toEqual(names.toSorted())
  })

  it('goes on from a cursor, and from the beginning when Redis is no longer the same process', async () => {
    const server = await startRedis({ appendOnly: true })
    onTestFinished(server.stop)
    const client = await connect(redisSettings(server.url))
    await fill(client)
    const { cursor } = await scanPage(client, 'x:*', { cursor: undefined, count: 100 })
    const rest = sorted(await scanAll(client, cursor))
    expect(rest.length).toBeLessThan(names.length)
    await server.restart()
    await expect.poll(() => countKeys(client).catch(() => undefined)).toBe(names.length + 1)
    expect(sorted(await scanAll(client, cursor))).toEqual(names.toSorted())
  })
})
