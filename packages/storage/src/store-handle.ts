import type { DatabaseSync } from 'node:sqlite'
import type { RedisClient } from './redis-client.ts'

/**
 * Runs one Lua script, which sees the store only where it is known to be ours. Sent once unless the script was not let run,
 * and only its own answer is given; every failure is StoreUnavailable. Every key of one call shares a `{tag}`. The script
 * has `floorAt`, a time in milliseconds or nil: what was written before it may be lost.
 */
export type Script = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

export type RedisHandle = {
  engine: 'redis'
  /** Prepend to every key; '' outside tests. */
  keyPrefix: string
  client: RedisClient
  /** Prepares a script; what it returns runs it in one round trip. Call it once per script, not per request. */
  script(lua: string): Script
  /**
   * As `script`, for what must outlive a failover: the answer counts when as many replicas as the settings ask for hold
   * what was written. StoreUnavailable when they are too few, although it may have landed.
   */
  acknowledgedScript(lua: string): Script
  /**
   * Fields and values of a hash in turn, in the cheapest read there is: nothing vouches for the reply, so what was found has
   * to prove itself and what is empty has to be asserted by a script. Failures are StoreUnavailable.
   */
  readHash(key: string): Promise<readonly string[]>
  /** For plain commands: every master must be known to be ours before and after them, on connections that lasted. */
  runMarked<T>(operation: (client: RedisClient) => Promise<T>): Promise<T>
  /** Resolves when the store answers and its marker is ours; else StoreUnavailable. */
  ping(): Promise<void>
  /** Resolves when a tiny write landed within the last second, whoever asked for it; else StoreUnavailable. */
  probeWrite(): Promise<void>
  close(): Promise<void>
}

export type SqliteHandle = {
  engine: 'sqlite'
  database: DatabaseSync
  /** When the store was opened before this time, in milliseconds since the epoch. */
  lastStartedAt?: number
  /** When it was opened last after a stop that was not in order, or confirmed by an operator: what was settled before may be lost. */
  floorAt(): number | undefined
  /**
   * Runs `work` in a transaction that settles which come together share, synced to disk before this resolves; a throw of
   * `work` undoes it alone. StoreUnavailable, with nothing done, unless marker and file are still ours.
   */
  settle: <T>(work: () => T) => Promise<T>
  /** Runs `work` on one snapshot. StoreUnavailable unless marker and file are still ours. */
  read: <T>(work: () => T) => Promise<T>
  ping(): Promise<void>
  /** As RedisHandle's, and synced to disk. */
  probeWrite(): Promise<void>
  close(): Promise<void>
}

export type StoreHandle = RedisHandle | SqliteHandle
