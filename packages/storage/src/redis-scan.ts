import type { Redis } from 'ioredis'
import { createHash } from 'node:crypto'
import type { RedisClient } from './redis-client.ts'
import { StoreUnavailable } from './store-unavailable.ts'

export type ScanPage = {
  keys: string[]
  /** Where the next page begins; undefined after the last one. */
  cursor: string | undefined
}

/** Where the slots begin in a line of CLUSTER NODES. */
const slotsField = 8

/** As no cursor, but not the end. */
const anew = ''

/**
 * One page of the keys that fit a pattern, from every master of a Cluster one after the other. A key that is there from
 * beginning to end is given at least once. A cursor counts in the processes and the slots that it began with: once another
 * process answers or another master serves a slot, the scan begins anew, because it would leave keys out.
 */
export async function scanPage(
  client: RedisClient,
  pattern: string,
  options: { cursor: string | undefined; count: number },
): Promise<ScanPage> {
  const { masters, layout } = await survey(client)
  const [begunIn, at, from] = options.cursor?.split(':') ?? []
  const [index, start] = begunIn === layout ? [Number(at), from ?? '0'] : [0, '0']
  const master = masters[index]
  if (!master) throw new Error('no master of Redis answers')
  const [next, keys] = await master.scan(start, 'MATCH', pattern, 'COUNT', options.count)
  if (next !== '0') return { keys, cursor: `${layout}:${index}:${next}` }
  if (index + 1 < masters.length) return { keys, cursor: `${layout}:${index + 1}:0` }
  return { keys, cursor: (await survey(client)).layout === layout ? undefined : anew }
}

/** How many keys there are, those of others in the same database included. */
export async function countKeys(client: RedisClient): Promise<number> {
  const counts = await Promise.all((await client.masters()).map((master) => master.dbsize()))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** The masters, and a digest of which processes they are and which slots each of them serves; in the same order while that is the same. */
async function survey(client: RedisClient): Promise<{ masters: Redis[]; layout: string }> {
  const describe = client.settings.topology === 'cluster' ? describeNode : runIdOf
  const found = await Promise.all(
    (await client.masters()).map(async (master) => ({ master, text: await describe(master) })),
  )
  const ordered = found.toSorted((one, other) => (one.text < other.text ? -1 : 1))
  const digest = createHash('sha256').update(ordered.map(({ text }) => text).join('\n'))
  return { masters: ordered.map(({ master }) => master), layout: digest.digest('base64url') }
}

async function runIdOf(master: Redis): Promise<string> {
  const runId = /^run_id:(\w+)/m.exec(await master.info('server'))?.[1]
  if (runId === undefined) throw new Error('Redis does not tell its run_id')
  return runId
}

/** The keys of a slot that is on its way go over one by one, while the table of slots stays the same. */
async function describeNode(master: Redis): Promise<string> {
  const [runId, nodes] = await Promise.all([runIdOf(master), master.cluster('NODES')])
  const own = String(nodes)
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , flags]) => flags?.includes('myself'))
  if (!own) throw new Error('Redis does not tell its slots')
  const slots = own.slice(slotsField)
  if (slots.some((slot) => slot.startsWith('[')))
    throw new StoreUnavailable('slots of the Cluster are on their way, and their keys cannot be listed')
  return [runId, ...slots].join(' ')
}
