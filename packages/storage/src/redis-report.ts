import { redisCause } from './redis-fault.ts'
import type { StoreLogger } from './store-settings.ts'
import { StoreUnavailable } from './store-unavailable.ts'

const firstConnectionMs = 5000
const finalRefusal =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR This instance has cluster)|CERT|SIGNATURE|UNKNOWN_MASTER/

/** Tells the log once that Redis cannot be reached and once that it can be again, however many connections say so. */
export type RedisReport = {
  failed: (error: unknown) => void
  /** Something changed for the better: the report looks whether everything is there. */
  mended: () => void
  /** Waits for servers that are still starting, but not for one that refuses our password or whose certificate we refuse. */
  firstConnection: () => Promise<void>
}

export function createRedisReport(logger: StoreLogger, isWhole: () => boolean): RedisReport {
  let down = false
  let cause = 'no answer'
  let settleFirst: ((failure?: Error) => void) | undefined

  return {
    failed(error) {
      cause = redisCause(error)
      if (!down) logger.warn({ event: 'redis_lost', cause }, 'Redis cannot be reached')
      down = true
      if (error instanceof Error && finalRefusal.test(`${error.message} ${cause}`))
        settleFirst?.(unreached(cause))
    },
    mended() {
      if (!isWhole()) return
      if (down) logger.info({ event: 'redis_back' }, 'Redis can be reached again')
      down = false
      settleFirst?.()
    },
    firstConnection: () =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => settleFirst?.(unreached(cause)), firstConnectionMs)
        settleFirst = (failure) => {
          clearTimeout(timer)
          settleFirst = undefined
          if (failure) reject(failure)
          else resolve()
        }
      }),
  }
}

function unreached(cause: string): StoreUnavailable {
  return new StoreUnavailable(`Redis cannot be reached: ${cause}`)
}
