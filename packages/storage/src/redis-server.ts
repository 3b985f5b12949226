import { Redis, type RedisOptions } from 'ioredis'
import type { RedisClient, RedisClientDeps } from './redis-client.ts'
import { patienceMs, redisOptions, tlsOptions } from './redis-options.ts'
import { createRedisReport } from './redis-report.ts'
import { watchSentinels } from './redis-sentinels.ts'
import type { RedisSettings } from './store-settings.ts'

type ServerSettings = Exclude<RedisSettings, { topology: 'cluster' }>
type SentinelSettings = Extract<RedisSettings, { topology: 'sentinel' }>

/** The client of one server, the named one or the master that the sentinels name at each connection. */
export function createServerClient(settings: ServerSettings, deps: RedisClientDeps): RedisClient {
  const way =
    settings.topology === 'sentinel'
      ? sentinelOptions(settings)
      : { host: settings.host, port: settings.port }
  const connection = new Redis({ ...redisOptions(settings, deps.name), ...way, db: settings.db })
  const report = createRedisReport(deps.logger, () => connection.status === 'ready')
  const watch = settings.topology === 'sentinel' ? watchSentinels(settings, connection, deps.name) : undefined
  connection.on('error', (error: Error) => (watch?.causesOf(error) ?? [error]).forEach(report.failed))
  connection.on('ready', report.mended)
  deps.onConnection?.(connection)

  return {
    settings,
    connect() {
      const first = report.firstConnection()
      // Reported by the listener above.
      connection.connect().catch(() => {})
      return first
    },
    send: (_key, operation) => operation(connection),
    masters: async () => [connection],
    slots: async () => [0],
    async close() {
      watch?.stop()
      await connection.quit().catch(() => connection.disconnect())
    },
  }
}

/** A server that is no master, or no longer, is left again before anything is sent to it. */
function sentinelOptions(settings: SentinelSettings) {
  const { sentinels, master, sentinelUsername, sentinelPassword, tls } = settings
  return {
    sentinels: [...sentinels],
    name: master,
    role: 'master' as const,
    sentinelCommandTimeout: patienceMs,
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword: sentinelPassword.reveal() }),
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(tls) }),
  } satisfies RedisOptions
}
