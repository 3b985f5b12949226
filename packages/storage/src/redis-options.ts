import type { RedisOptions } from 'ioredis'
import type { RedisSettings } from './store-settings.ts'

/** How long a connection may take, and a socket may stay silent with a command under way. */
export const patienceMs = 1000
const reconnectMaxMs = 1000

/** Of a connection that fails fast, reconnects forever and never sends a command twice. Not connected yet. */
export function redisOptions(settings: RedisSettings, name: string) {
  return {
    connectionName: name,
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
    ...(settings.tls && { tls: tlsOptions(settings.tls) }),
  } satisfies RedisOptions
}

/** In the words of Node.js; also for the way to the Sentinels. */
export function tlsOptions({ rejectUnauthorized, serverName, ca }: NonNullable<RedisSettings['tls']>) {
  return {
    rejectUnauthorized,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(ca === undefined ? {} : { ca }),
  }
}
