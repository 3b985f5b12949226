import { Redis } from 'ioredis'
import { redisOptions } from './redis-options.ts'
import type { RedisSettings } from './store-settings.ts'

const switched = '+switch-master'

/**
 * Leaves a master that the sentinels have replaced, also one that is cut off from them and goes on as if it were not.
 * Returns how to stop.
 */
export function watchSentinels(
  settings: Extract<RedisSettings, { topology: 'sentinel' }>,
  connection: Redis,
  name: string,
): () => void {
  const { sentinelUsername, sentinelPassword } = settings
  const sentinels = settings.sentinels.map((address) => {
    const sentinel = new Redis({
      ...redisOptions(settings, { name }),
      ...address,
      username: sentinelUsername,
      password: sentinelPassword?.reveal(),
      enableReadyCheck: false,
    })
    // The connection to the master tells when no sentinel answers.
    sentinel.on('error', () => {})
    sentinel.on('ready', () => void sentinel.subscribe(switched).catch(() => {}))
    sentinel.on('message', (_channel: string, text: string) => {
      const [master, , , host, port] = text.split(' ')
      if (master === settings.master && !isConnectedTo(connection, host, port)) connection.disconnect(true)
    })
    return sentinel
  })
  connection.once('connecting', () => {
    for (const sentinel of sentinels) sentinel.connect().catch(() => {})
  })
  return () => sentinels.forEach((sentinel) => sentinel.disconnect())
}

function isConnectedTo({ stream }: Redis, host: string | undefined, port: string | undefined): boolean {
  return stream?.remoteAddress === host && String(stream?.remotePort) === port
}
