import { redisSettings, sharedRedisUrl, uniquePrefix } from '@herald/testing'
import { Redis } from 'ioredis'
import { onTestFinished } from 'vitest'
import { openedBy, type TestEngine } from './totp-store.fixture.ts'

/** Each store is a key prefix of its own on the Redis of this test run. */
export const redisEngine: TestEngine = {
  name: 'Redis',
  skip: sharedRedisUrl() === undefined,
  create() {
    const url = sharedRedisUrl() ?? ''
    const keyPrefix = uniquePrefix()
    const client = new Redis(url)
    const remove = async (pattern: string): Promise<void> => {
      for await (const keys of client.scanStream({ match: keyPrefix + pattern, count: 1000 })) {
        if ((keys as string[]).length > 0) await client.del(keys as string[])
      }
    }
    onTestFinished(async () => {
      await remove('*')
      client.disconnect()
    })
    return {
      ...openedBy(redisSettings(url), keyPrefix),
      loseMarker: () => remove('totp:marker'),
      empty: () => remove('*'),
    }
  },
}
