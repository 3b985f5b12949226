import type { Redis } from 'ioredis'
import type { RedisClient } from './redis-client.ts'
import type { Recognised, RedisLink } from './redis-link.ts'
import { unmarked } from './redis-script.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** One call on a connection whose marker was recognised; `unmarked` when another marker stands there, and nothing was done. */
export type MarkedCall = (link: RedisLink, marker: Recognised) => Promise<unknown>

/** Runs a call for the keys beside a marker, on the connection that serves them now and never on one that is not known to be ours. */
export type Run = (markerKey: string, call: MarkedCall) => Promise<unknown>

type Deps = {
  client: RedisClient
  linkOf: (connection: Redis) => RedisLink
  recognise: (client: RedisClient, markerKey: string) => Promise<void>
}

export function createRunner({ client, linkOf, recognise }: Deps): Run {
  return async (markerKey, call) => {
    const attempt = (connection: Redis): Promise<unknown> => {
      const link = linkOf(connection)
      const marker = link.memory().markers.get(markerKey)
      return marker === undefined ? unrecognised : call(link, marker)
    }
    const answer = await client.send(markerKey, attempt)
    if (answer !== unmarked) return answer
    // Nothing was done, so the call may be sent again if the marker is one of ours.
    await recognise(client, markerKey)
    const second = await client.send(markerKey, attempt)
    if (second === unmarked) throw new StoreUnavailable('the marker of the store keeps changing')
    return second
  }
}

const unrecognised = Promise.resolve(unmarked)
