import type { Redis } from 'ioredis'
import { setTimeout as delay } from 'node:timers/promises'
import { askRedis } from './ask-redis.ts'
import { startRedis, type RedisServer, type RedisServerOptions } from './redis-server.ts'

export type RedisSentinel = {
  /** What a service needs to find the master. */
  env: { REDIS_SENTINELS: string; REDIS_SENTINEL_MASTER: string }
  /** The same as the settings that @herald/storage takes. */
  settings: {
    engine: 'redis'
    topology: 'sentinel'
    sentinels: { host: string; port: number }[]
    master: string
    db: number
    ackReplicas: number
  }
  /** The first is the master that it began with, the others are its replicas. */
  servers: readonly RedisServer[]
  sentinels: readonly RedisServer[]
  /** The one that the sentinels call the master now. */
  master: () => Promise<RedisServer>
  /** Has another server made the master in good order; resolves when the sentinels say so. */
  failover: () => Promise<void>
  /** SIGKILL; returns who was the master. */
  killMaster: () => Promise<RedisServer>
  /** Cuts a server off from the sentinels alone, which take it to be down then; for everybody else it goes on as it was. */
  cutOff: (server: RedisServer) => Promise<void>
  stop: () => Promise<void>
}

export type RedisSentinelOptions = {
  replicas?: number
  sentinels?: number
  /** How long a server is silent before it is taken to be down. */
  downAfterMs?: number
  /** Of the servers, and TLS of the sentinels too. */
  server?: RedisServerOptions
}

const name = 'herald'
/** As whom the sentinels come to the servers. */
const watcher = 'watcher'

/** A master with replicas that hold all it has, watched by sentinels that know each other. */
export async function startRedisSentinel({
  replicas = 1,
  sentinels: count = 1,
  downAfterMs = 500,
  server = {},
}: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const start = (args: readonly string[]): Promise<RedisServer> =>
    startRedis({
      ...server,
      args: [...(server.args ?? []), '--repl-diskless-sync-delay', '0', ...args],
      lines: [...(server.lines ?? []), `user ${watcher} on >${watcher} ~* &* +@all`],
    })
  const first = await start([])
  const others = await Promise.all(
    Array.from({ length: replicas }, () => start(['--replicaof', first.host, String(first.port)])),
  )
  const servers = [first, ...others]
  await askRedis(first, async (admin) => {
    while ((await admin.wait(replicas, 1000)) < replicas) await delay(20)
  })
  const watch = sentinelLines(first, { quorum: Math.floor(count / 2) + 1, downAfterMs })
  const sentinels = await Promise.all(
    Array.from({ length: count }, () =>
      startRedis({ mode: 'sentinel', lines: watch, ...(server.tls && { tls: server.tls }) }),
    ),
  )
  for (const sentinel of sentinels) await askRedis(sentinel, (admin) => knowsAll(admin, replicas, count - 1))

  async function master(): Promise<RedisServer> {
    const [sentinel] = sentinels
    if (!sentinel) throw new Error('there is no sentinel')
    const [, port] = await askRedis(sentinel, (admin) => sentinelCommand(admin, 'get-master-addr-by-name'))
    const found = servers.find((candidate) => candidate.port === Number(port))
    if (!found) throw new Error('the sentinels name a master that is none of theirs')
    return found
  }

  const addresses = sentinels.map(({ host, port }) => ({ host, port }))
  return {
    env: {
      REDIS_SENTINELS: addresses.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_SENTINEL_MASTER: name,
    },
    settings: {
      engine: 'redis',
      topology: 'sentinel',
      sentinels: addresses,
      master: name,
      db: 0,
      ackReplicas: replicas > 0 ? 1 : 0,
    },
    servers,
    sentinels,
    master,
    async failover() {
      const before = await master()
      const [sentinel] = sentinels
      if (sentinel) await askRedis(sentinel, (admin) => sentinelCommand(admin, 'failover'))
      while ((await master()) === before) await delay(50)
    },
    async killMaster() {
      const victim = await master()
      await victim.kill()
      return victim
    },
    async cutOff(server) {
      await askRedis(server, (admin) => admin.acl('SETUSER', watcher, '-@all'))
    },
    async stop() {
      await Promise.all([...sentinels, ...servers].map((one) => one.stop()))
    },
  }
}

function sentinelLines(
  master: RedisServer,
  { quorum, downAfterMs }: { quorum: number; downAfterMs: number },
): string[] {
  return [
    `sentinel monitor ${name} ${master.host} ${master.port} ${quorum}`,
    `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
    `sentinel failover-timeout ${name} 2000`,
    `sentinel auth-user ${name} ${watcher}`,
    `sentinel auth-pass ${name} ${watcher}`,
  ]
}

/** Waits until a failover could begin: a sentinel promotes only a replica whose own account of itself it has read. */
async function knowsAll(admin: Redis, replicas: number, sentinels: number): Promise<void> {
  const isGood = async () => {
    const found = (await sentinelCommand(admin, 'replicas')) as string[][]
    const good = found.map(toFields).filter((fields) => fields['master-link-status'] === 'ok')
    return good.length >= replicas && good.every(({ flags }) => flags === 'slave')
  }
  while (!(await isGood()) || (await sentinelCommand(admin, 'sentinels')).length < sentinels) await delay(50)
}

function toFields(reply: readonly string[]): Record<string, string> {
  return Object.fromEntries(reply.flatMap((text, at) => (at % 2 === 0 ? [[text, reply[at + 1] ?? '']] : [])))
}

async function sentinelCommand(admin: Redis, command: string): Promise<unknown[]> {
  return (await admin.call('SENTINEL', command, name)) as unknown[]
}
