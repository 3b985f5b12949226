import { randomBytes } from 'node:crypto'
import { sharedRedisUrl, uniquePrefix } from '@herald/testing'
import { describe } from 'vitest'
import { openSmtpStore } from './open-smtp-store.ts'
import { describeStore } from './store.contract.ts'

const url = sharedRedisUrl()
const silent = { debug() {}, info() {}, warn() {}, error() {} }

describe.skipIf(url === undefined)('on Redis', () => {
  const keyPrefix = uniquePrefix()
  const { hostname, port, pathname } = new URL(url ?? 'redis://none')
  const open = async () => {
    const settings = {
      engine: 'redis',
      host: hostname,
      port: Number(port || 6379),
      db: Number(pathname.slice(1)),
    } as const
    const deps = { keyPrefix, now: () => Date.now(), randomBytes, logger: silent }
    return (await openSmtpStore(settings, deps)).calls
  }
  describeStore('Redis', async () => [await open(), await open()])
})
