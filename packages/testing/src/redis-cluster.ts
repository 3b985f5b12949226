import { Redis } from 'ioredis'
import { setTimeout as delay } from 'node:timers/promises'
import { startRedis, type RedisServer } from './redis-server.ts'

export type RedisCluster = { nodes: { host: string; port: number }[]; stop: () => Promise<void> }

const slots = 16_384

/** A Cluster of masters without replicas, each with its share of the slots. */
export async function startRedisCluster(masters = 3): Promise<RedisCluster> {
  const servers: RedisServer[] = []
  for (let index = 0; index < masters; index += 1)
    servers.push(await startRedis({ args: ['--cluster-enabled', 'yes'] }))
  const clients = servers.map(({ port }) => new Redis(port, '127.0.0.1'))
  const share = Math.ceil(slots / masters)
  for (const [index, client] of clients.entries()) {
    const first = index * share
    await client.call('CLUSTER', 'ADDSLOTSRANGE', first, Math.min(first + share, slots) - 1)
    await client.call('CLUSTER', 'MEET', '127.0.0.1', servers[0]?.port ?? 0)
  }
  for (const client of clients) {
    while (!(await isWhole(client, masters))) await delay(50)
    client.disconnect()
  }
  return {
    nodes: servers.map(({ host, port }) => ({ host, port })),
    async stop() {
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
}

async function isWhole(client: Redis, masters: number): Promise<boolean> {
  const info = String(await client.call('CLUSTER', 'INFO'))
  return info.includes('cluster_state:ok') && info.includes(`cluster_size:${masters}`)
}
