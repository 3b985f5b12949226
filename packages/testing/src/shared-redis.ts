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
