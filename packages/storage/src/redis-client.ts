import type { Redis } from 'ioredis'
import { createClusterClient } from './redis-cluster.ts'
import { createServerClient } from './redis-server.ts'
import type { RedisSettings, StoreLogger } from './store-settings.ts'

/** Redis in any of its topologies. Fails fast, reconnects forever, and sends nothing twice that may have run. */
export type RedisClient = {
  settings: RedisSettings
  /** The first connection; StoreUnavailable when there is none in 5 s, or none to be had. */
  connect(): Promise<void>
  /**
   * Runs `operation`, which sends one command and does it at once, on the connection to the master that serves the key. It
   * runs again, perhaps elsewhere, only when a Cluster answered that it did not run the command.
   */
  send<T>(key: string, operation: (connection: Redis) => Promise<T>): Promise<T>
  /** A connection to every master there is now; on a Cluster it is asked for them. */
  masters(): Promise<Redis[]>
  /** A slot of every master there is now, on a Cluster; one of any number elsewhere. */
  slots(): Promise<number[]>
  close(): Promise<void>
}

export type RedisClientDeps = {
  /** What Redis calls the connections. */
  name: string
  logger: StoreLogger
  /** Called for each connection when it is made and before it connects; it stays the same one when it connects anew. */
  onConnection?: (connection: Redis) => void
}

/** Not connected yet. */
export function createRedisClient(settings: RedisSettings, deps: RedisClientDeps): RedisClient {
  return settings.topology === 'cluster'
    ? createClusterClient(settings, deps)
    : createServerClient(settings, deps)
}
