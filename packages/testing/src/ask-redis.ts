import { Redis } from 'ioredis'
import type { RedisServer } from './redis-server.ts'

/** Asks a server on a connection of its own. */
export async function askRedis<T>(
  { url }: Pick<RedisServer, 'url'>,
  question: (admin: Redis) => Promise<T>,
): Promise<T> {
  const admin = new Redis(url, url.startsWith('rediss:') ? { tls: { rejectUnauthorized: false } } : {})
  // Whoever asks gets the error of the command.
  admin.on('error', () => {})
  try {
    return await question(admin)
  } finally {
    admin.disconnect()
  }
}
