import type { Redis } from 'ioredis'
import { createRedisClient, type RedisClient } from './redis-client.ts'
import { createRedisLink, type RedisLink } from './redis-link.ts'
import type { OpenOptions, RedisSettings, StoreLogger } from './store-settings.ts'

/** The clients of one handle, and the links of all their connections. */
export type RedisClients = {
  quick: RedisClient
  /** Does, on connections of its own, what others must not wait behind. They are given up while too few replicas answer. */
  patient: RedisClient
  linkOf: (connection: Redis) => RedisLink
  /** Grows when a connection of the quick one is made or lost. */
  changes: () => number
  connect: () => Promise<void>
  close: () => Promise<void>
}

/** What the first client says of Redis need not be said twice. */
const silent: StoreLogger = { debug() {}, info() {}, warn() {}, error() {} }

export function createRedisClients(settings: RedisSettings, { service, logger }: OpenOptions): RedisClients {
  const links = new WeakMap<Redis, RedisLink>()
  let changes = 0

  function link(connection: Redis): void {
    links.set(connection, createRedisLink(connection, logger))
  }

  function linkAndCount(connection: Redis): void {
    link(connection)
    changes++
    connection.on('close', () => changes++)
  }

  const quick = createRedisClient(settings, { name: service, logger, onConnection: linkAndCount })
  const patient = createRedisClient(settings, { name: service, logger: silent, onConnection: link })
  return {
    quick,
    patient,
    linkOf(connection) {
      const link = links.get(connection)
      if (!link) throw new Error('not a connection of ours')
      return link
    },
    changes: () => changes,
    async connect() {
      await Promise.all([quick.connect(), patient.connect()])
    },
    async close() {
      await Promise.all([quick.close(), patient.close()])
    },
  }
}
