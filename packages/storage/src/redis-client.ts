import { Redis, type RedisOptions } from 'ioredis'
import { redisCause } from './redis-fault.ts'
import { type RedisSettings, type StoreLogger } from './store-settings.ts'

/** How long a connection may take, and a socket may stay silent with a command under way. */
const patienceMs = 1000
const reconnectMaxMs = 1000

/** A client that fails fast, reconnects forever and never sends a command twice. Not connected yet. */
export function createRedisClient(
  settings: RedisSettings,
  deps: { name: string; logger: StoreLogger },
): Redis {
  const client = new Redis(redisOptions(settings, deps.name))
  let down = false
  client.on('error', (error: Error) => {
    if (!down) deps.logger.warn({ event: 'redis_lost', cause: redisCause(error) }, 'Redis cannot be reached')
    down = true
  })
  client.on('ready', () => {
    if (down) deps.logger.info({ event: 'redis_back' }, 'Redis can be reached again')
    down = false
  })
  return client
}

function redisOptions(settings: RedisSettings, connectionName: string) {
  const { tls } = settings
  return {
    host: settings.host,
    port: settings.port,
    db: settings.db,
    connectionName,
    protocol: 2,
    disableClientInfo: true,
    lazyConnect: true,
    // A reply that got lost after its script ran must not make the script run again.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    connectTimeout: patienceMs,
    // One lost reply shifts all later ones, so a connection that went silent is given up as a whole.
    socketTimeout: patienceMs,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), reconnectMaxMs),
    // After a failover the old master answers READONLY for good: reconnect, but do not repeat the command.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.password === undefined ? {} : { password: settings.password.reveal() }),
    ...(tls && {
      tls: {
        rejectUnauthorized: tls.rejectUnauthorized,
        ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      },
    }),
  } satisfies RedisOptions
}
