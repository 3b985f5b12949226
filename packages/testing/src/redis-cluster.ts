import { setTimeout as delay } from 'node:timers/promises'
import { askRedis } from './ask-redis.ts'
import { startRedis, type RedisServer, type RedisServerOptions } from './redis-server.ts'

export type RedisCluster = {
  nodes: { host: string; port: number }[]
  /** What a service needs to find it. */
  env: { REDIS_CLUSTER_NODES: string; REDIS_ACK_REPLICAS: string }
  /** The same as the settings that @herald/storage takes. */
  settings: {
    engine: 'redis'
    topology: 'cluster'
    nodes: { host: string; port: number }[]
    ackReplicas: number
  }
  /** Those that began as masters first, each with its share of the slots, then the replicas in the same order. */
  servers: readonly RedisServer[]
  /** Who serves the slot of a key now. */
  masterOf: (key: string) => Promise<RedisServer>
  /** Moves the slot of a key to another master key by key, as a resharding does; `between` runs after each key that moved. */
  moveSlot: (key: string, to: RedisServer, between?: () => Promise<void>) => Promise<void>
  /** Makes the replica of a master the master in its place, in good order. */
  failover: (replica: RedisServer) => Promise<void>
  stop: () => Promise<void>
}

export type RedisClusterOptions = {
  masters?: number
  /** Of each master. */
  replicas?: number
  /** How long a node is silent before it is taken to be down. */
  nodeTimeoutMs?: number
  server?: RedisServerOptions
}

const slots = 16_384

/** A Cluster that serves every slot, and whose replicas hold what their masters have. */
export async function startRedisCluster({
  masters: masterCount = 3,
  replicas = 0,
  nodeTimeoutMs = 2000,
  server = {},
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs)]
  const args = [...(server.args ?? []), ...cluster, '--repl-diskless-sync-delay', '0']
  const servers = await Promise.all(
    Array.from({ length: masterCount * (1 + replicas) }, () => startRedis({ ...server, args })),
  )
  await shareSlots(servers, masterCount)
  await attachReplicas(servers, masterCount)
  const nodes = servers.map(({ host, port }) => ({ host, port }))
  const masterOf = (key: string) => findMaster(servers, key)

  return {
    nodes,
    env: {
      REDIS_CLUSTER_NODES: nodes.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_ACK_REPLICAS: String(Math.min(replicas, 1)),
    },
    settings: { engine: 'redis', topology: 'cluster', nodes, ackReplicas: Math.min(replicas, 1) },
    servers,
    masterOf,
    async moveSlot(key, to, between) {
      await moveSlot(await masterOf(key), to, { key, between, servers })
    },
    async failover(replica) {
      await command(replica, 'CLUSTER', 'FAILOVER')
      while (!(await isMaster(replica))) await delay(50)
    },
    async stop() {
      await Promise.all(servers.map((one) => one.stop()))
    },
  }
}

async function shareSlots(servers: readonly RedisServer[], masters: number): Promise<void> {
  const share = Math.ceil(slots / masters)
  for (const [index, server] of servers.entries()) {
    const first = index * share
    if (index < masters)
      await command(server, 'CLUSTER', 'ADDSLOTSRANGE', first, Math.min(first + share, slots) - 1)
    await command(server, 'CLUSTER', 'MEET', '127.0.0.1', servers[0]?.port ?? 0)
  }
  for (const server of servers) while (!(await isWhole(server, servers.length, masters))) await delay(50)
}

async function attachReplicas(servers: readonly RedisServer[], masters: number): Promise<void> {
  const replicas = servers.slice(masters)
  for (const [index, replica] of replicas.entries()) {
    const master = servers[index % masters]
    if (master) await command(replica, 'CLUSTER', 'REPLICATE', await idOf(master))
  }
  const each = replicas.length / masters
  for (const master of servers.slice(0, masters))
    while (Number(await command(master, 'WAIT', each, 1000)) < each) await delay(50)
  // Who asks a node has to be told the same by each, also that replicas serve nothing.
  for (const server of servers)
    while (
      ((await command(server, 'CLUSTER', 'SLOTS')) as unknown[][]).some((range) => range.length < 3 + each)
    )
      await delay(50)
}

async function isWhole(server: RedisServer, nodes: number, masters: number): Promise<boolean> {
  const info = String(await command(server, 'CLUSTER', 'INFO'))
  return ['state:ok', `known_nodes:${nodes}`, `size:${masters}`].every((fact) =>
    info.includes(`cluster_${fact}`),
  )
}

async function isMaster(server: RedisServer): Promise<boolean> {
  return ((await command(server, 'ROLE')) as unknown[])[0] === 'master'
}

async function findMaster(servers: readonly RedisServer[], key: string): Promise<RedisServer> {
  const asked = await Promise.any(servers.map((server) => slotOwner(server, key)))
  const found = servers.find(({ port }) => port === asked)
  if (!found) throw new Error(`nobody serves the slot of ${key}`)
  return found
}

async function slotOwner(server: RedisServer, key: string): Promise<number | undefined> {
  const slot = Number(await command(server, 'CLUSTER', 'KEYSLOT', key))
  const ranges = (await command(server, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1]
}

async function moveSlot(
  from: RedisServer,
  to: RedisServer,
  {
    key,
    between,
    servers,
  }: { key: string; between: (() => Promise<void>) | undefined; servers: readonly RedisServer[] },
): Promise<void> {
  const slot = Number(await command(from, 'CLUSTER', 'KEYSLOT', key))
  await command(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from))
  await command(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to))
  await between?.()
  for (;;) {
    const [next] = (await command(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[]
    if (next === undefined) break
    await command(from, 'MIGRATE', to.host, to.port, next, 0, 5000)
    await between?.()
  }
  const owner = await idOf(to)
  for (const server of [to, from, ...servers])
    if (await isMaster(server)) await command(server, 'CLUSTER', 'SETSLOT', slot, 'NODE', owner)
}

async function idOf(server: RedisServer): Promise<string> {
  return String(await command(server, 'CLUSTER', 'MYID'))
}

function command(server: RedisServer, name: string, ...args: (string | number)[]): Promise<unknown> {
  return askRedis(server, (admin) => admin.call(name, ...args))
}
