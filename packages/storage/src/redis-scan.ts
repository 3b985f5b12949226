import type { Redis } from 'ioredis'
import type { RedisClient } from './redis-client.ts'

export type ScanPage = {
  keys: string[]
  /** Where the next page begins; undefined after the last one. */
  cursor: string | undefined
}

type Master = { client: Redis; runId: string }

/**
 * One page of the keys that fit a pattern, from every master of a Cluster one after the other. A key that is there from
 * beginning to end is given at least once. A cursor counts in the process that gave it: when that master is no longer
 * among those found, the scan begins anew, because after a restart or failover the cursor would leave keys out.
 */
export async function scanPage(
  client: RedisClient,
  pattern: string,
  options: { cursor: string | undefined; count: number },
): Promise<ScanPage> {
  const masters = await findMasters(client)
  const [runId, from] = options.cursor?.split(':') ?? []
  const at = Math.max(
    masters.findIndex((master) => master.runId === runId),
    0,
  )
  const master = masters[at]
  if (!master) throw new Error('no master of Redis answers')
  const start = master.runId === runId ? (from ?? '0') : '0'
  const [next, keys] = await master.client.scan(start, 'MATCH', pattern, 'COUNT', options.count)
  if (next !== '0') return { keys, cursor: `${master.runId}:${next}` }
  const following = masters[at + 1]
  return { keys, cursor: following && `${following.runId}:0` }
}

/** How many keys there are, those of others in the same database included. */
export async function countKeys(client: RedisClient): Promise<number> {
  const counts = await Promise.all((await findMasters(client)).map((master) => master.client.dbsize()))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** In an order that stays the same while the same processes run. */
async function findMasters(client: RedisClient): Promise<Master[]> {
  const masters = await Promise.all(
    (await client.masters()).map(async (master) => ({
      client: master,
      runId: runIdOf(await master.info('server')),
    })),
  )
  return masters.toSorted((one, other) => (one.runId < other.runId ? -1 : 1))
}

function runIdOf(info: string): string {
  const runId = /^run_id:(\w+)/m.exec(info)?.[1]
  if (runId === undefined) throw new Error('Redis does not tell its run_id')
  return runId
}
