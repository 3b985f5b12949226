import { Redis } from 'ioredis'
import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'

/** The Redis of this test run; put everything under a `uniquePrefix` and never flush it. Undefined: skip. */
export function sharedRedisUrl(): string | undefined {
  return inject('redisUrl')
}

/** A key prefix that no other test uses. */
export function uniquePrefix(): string {
  return `test-${randomBytes(8).toString('hex')}:`
}

/** Deletes the keys of the shared Redis that fit a pattern, which starts with the test's own prefix. */
export async function removeKeys(url: string, pattern: string): Promise<void> {
  const client = new Redis(url)
  for await (const keys of client.scanStream({ match: pattern, count: 1000 })) {
    if ((keys as string[]).length > 0) await client.del(keys as string[])
  }
  client.disconnect()
}

/** A Redis URL as the settings that @herald/storage takes. */
export function redisSettings(url: string) {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    engine: 'redis' as const,
    topology: 'standalone' as const,
    host: hostname,
    port: Number(port || 6379),
    db: Number(pathname.slice(1) || 0),
    ackReplicas: 0,
    ...(username && { username }),
    ...(password && { password: { reveal: () => decodeURIComponent(password) } }),
  }
}
