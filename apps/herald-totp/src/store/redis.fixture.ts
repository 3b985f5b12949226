import { redisSettings, removeKeys, sharedRedisUrl, uniquePrefix } from '@herald/testing'
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
    const remove = (pattern: string): Promise<void> => removeKeys(url, keyPrefix + pattern)
    onTestFinished(() => remove('*'))
    return {
      ...openedBy(redisSettings(url), keyPrefix),
      loseMarker: () => remove('totp:marker'),
      async interrupt() {
        const admin = new Redis(url)
        const marker = JSON.parse((await admin.get(`${keyPrefix}totp:marker`)) ?? '') as object
        await admin.set(`${keyPrefix}totp:marker`, JSON.stringify({ ...marker, server: 'another' }))
        admin.disconnect()
      },
      empty: () => remove('*'),
    }
  },
}
