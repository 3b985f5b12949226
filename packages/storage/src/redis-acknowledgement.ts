import { unmarked, type Call, type Scripts } from './redis-script.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** Shorter than a connection may be silent; whoever waits behind it on the connection waits as long. */
const waitMs = 500

/**
 * A script whose answer counts when that many replicas hold all that was written on its master until then, by whomever; else
 * StoreUnavailable, and what it wrote stands all the same.
 */
export function acknowledgedScript(scripts: Scripts, lua: string, replicas: number): Call {
  const call = scripts.written(lua)
  return async (link, keys, args) => {
    const [answer, held] = await Promise.all([call(link, keys, args), link.send('WAIT', [replicas, waitMs])])
    if (answer !== unmarked && !(typeof held === 'number' && held >= replicas))
      throw new StoreUnavailable(
        `too few replicas of Redis hold what was written: ${typeof held === 'number' ? held : 'unknown'}`,
      )
    return answer
  }
}
