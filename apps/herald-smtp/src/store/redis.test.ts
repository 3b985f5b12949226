import { randomBytes } from 'node:crypto'
import { redisSettings, sharedRedisUrl, uniquePrefix } from '@herald/testing'
import { describe } from 'vitest'
import { openSmtpStore } from './open-smtp-store.ts'
import { describeStore } from './store.contract.ts'

const url = sharedRedisUrl()
const silent = { debug() {}, info() {}, warn() {}, error() {} }

describe.skipIf(url === undefined)('on Redis', () => {
  const keyPrefix = uniquePrefix()
  const open = async () => {
    const settings = redisSettings(url ?? '')
    const deps = { keyPrefix, now: () => Date.now(), randomBytes, logger: silent }
    return (await openSmtpStore(settings, deps)).calls
  }
  describeStore('Redis', async () => [await open(), await open()])
})
