/** Where a service keeps its state; made by @herald/config from the environment. */
export type StoreSettings = SqliteSettings | RedisSettings

export type SqliteSettings = {
  engine: 'sqlite'
  /** A file, or ':memory:' for what may end with the process. */
  path: string
}

export type Address = { host: string; port: number }

export type RedisSettings = RedisTopology & {
  engine: 'redis'
  username?: string
  password?: { reveal(): string }
  tls?: { serverName?: string; /** PEM text */ ca?: string; rejectUnauthorized: boolean }
  /** How many replicas must hold a write that must not be lost before it is answered; 0 asks none. */
  ackReplicas: number
}

export type RedisTopology =
  | ({ topology: 'standalone'; db: number } & Address)
  | {
      topology: 'sentinel'
      /** Any that answers is asked where the master of this name is. */
      sentinels: readonly Address[]
      master: string
      sentinelUsername?: string
      sentinelPassword?: { reveal(): string }
      db: number
    }
  | { topology: 'cluster'; /** Any that answers is asked for the others. */ nodes: readonly Address[] }

export type StoreLogger = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type OpenOptions = {
  service: 'herald-totp' | 'herald-smtp'
  /** Version of the layout this build reads and writes; a store with another one refuses the start. */
  schema: number
  /** `CREATE ... IF NOT EXISTS` statements of the service, run when a SQLite file is opened. */
  tables: string
  /** Prepended to every Redis key, so that tests share one server; '' in production. */
  keyPrefix?: string
  /** How long to wait for another process that holds the SQLite file; 50 ms unless told. */
  busyTimeoutMs?: number
  /**
   * For work on a SQLite file that may be done twice: nobody waits for the disk while a commit holds the file. What was
   * settled is sure to last only after `close`.
   */
  syncAtClose?: boolean
  /** For the process that settles in a SQLite file: its start after a stop that was not in order has a floor. */
  noticesStops?: boolean
  now: () => number
  randomBytes: (size: number) => Buffer
  logger: StoreLogger
}
