import { locateRedisBinary, startRedis, startRedisCluster } from '@herald/testing'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { countKeys, scanPage } from './redis-scan.ts'

async function scanAll(client: Redis | Cluster, cursor?: string): Promise<string[]> {
  const page = await scanPage(client, 'x:*', { cursor, count: 10 })
  return page.cursor === undefined ? page.keys : [...page.keys, ...(await scanAll(client, page.cursor))]
}

const names = Array.from({ length: 300 }, (_, n) => `x:{${n}}`)
const fill = (client: Redis | Cluster) =>
  Promise.all([...names, 'other'].map((name) => client.set(name, '1')))
const sorted = (keys: Iterable<string>) => [...new Set(keys)].toSorted()

describe.skipIf(locateRedisBinary() === undefined)('a scan', () => {
  it('finds the keys of every master of a Cluster', async () => {
    const servers = await startRedisCluster()
    onTestFinished(servers.stop)
    const client = new Cluster(servers.nodes)
    onTestFinished(() => client.disconnect())
    await fill(client)
    expect(sorted(await scanAll(client))).toEqual(names.toSorted())
    expect(await countKeys(client)).toBe(names.length + 1)
  })

  it('goes on from a cursor, and from the beginning when Redis is no longer the same process', async () => {
    const server = await startRedis({ appendOnly: true })
    onTestFinished(server.stop)
    const client = new Redis(server.url)
    client.on('error', () => {})
    onTestFinished(() => client.disconnect())
    await fill(client)
    const { cursor } = await scanPage(client, 'x:*', { cursor: undefined, count: 100 })
    const rest = sorted(await scanAll(client, cursor))
    expect(rest.length).toBeLessThan(names.length)
    await server.restart()
    await expect.poll(() => client.ping().catch(() => undefined)).toBe('PONG')
    expect(sorted(await scanAll(client, cursor))).toEqual(names.toSorted())
  })
})
