import { Redis } from 'ioredis'
import { setTimeout as delay } from 'node:timers/promises'
import type { RedisClientDeps } from './redis-client.ts'
import { patienceMs, redisOptions } from './redis-options.ts'
import type { RedisReport } from './redis-report.ts'
import { readSlots } from './redis-slots.ts'
import type { Address, RedisSettings } from './store-settings.ts'

type ClusterSettings = Extract<RedisSettings, { topology: 'cluster' }>

/** A connection, and when its first attempt is over or has taken as long as one may. */
export type ClusterNode = { connection: Redis; opened: Promise<void> }

/** The nodes of a Cluster that are known, and which of them serves what. */
export type ClusterNodes = {
  masterOf: (slot: number) => Address | undefined
  /** Believes a redirection, and looks up all others. */
  move: (slot: number, to: Address) => void
  /** The node at an address, which is made when there is none. */
  at: (address: Address) => ClusterNode
  /** Every master and one of its slots. */
  masters: () => { address: Address; slot: number }[]
  isWhole: () => boolean
  /** Asks who serves what. Rejects when no node answers that thinks the Cluster works. */
  lookUp: () => Promise<void>
  /** Looks up again and again until every master is connected: the one that was lost may never come back. */
  search: () => Promise<void>
  close: () => Promise<void>
}

const searchMs = 250
/** Holds up no process that ends. */
const unheld = { ref: false }

export function createClusterNodes(
  settings: ClusterSettings,
  deps: RedisClientDeps,
  report: Pick<RedisReport, 'failed' | 'mended'>,
): ClusterNodes {
  const options = redisOptions(settings, deps.name)
  const nodes = new Map<string, ClusterNode>()
  let table: Address[] = []
  let serving = new Map<string, { address: Address; slot: number }>()
  let lookingUp: Promise<void> | undefined
  let searching = false
  let closed = false

  const isReady = (name: string): boolean => nodes.get(name)?.connection.status === 'ready'
  const isWhole = (): boolean => serving.size > 0 && [...serving.keys()].every(isReady)

  function open(address: Address): ClusterNode {
    const name = nameOf(address)
    const connection = new Redis({ ...options, ...address })
    connection.on('ready', report.mended)
    connection.on('error', (error) => serving.has(name) && report.failed(error))
    connection.on('close', () => {
      if (serving.has(name)) void search()
      else if (nodes.get(name)?.connection === connection) letGo(name)
    })
    deps.onConnection?.(connection)
    const connected = connection.connect().catch(() => {})
    const node = { connection, opened: Promise.race([connected, delay(patienceMs, undefined, unheld)]) }
    nodes.set(name, node)
    return node
  }

  /** One that serves again later is another master then: what is known of its connection must not outlast this. */
  function letGo(name: string): void {
    const connection = nodes.get(name)?.connection
    nodes.delete(name)
    // After what is under way.
    connection?.quit().catch(() => connection.disconnect())
  }

  const at = (address: Address): ClusterNode => nodes.get(nameOf(address)) ?? open(address)

  /** All nodes are asked and the first answer is taken, since one that hangs must not hold it up. */
  async function ask(): Promise<Address[]> {
    const connected = [...nodes.values()].filter(({ connection }) => connection.status === 'ready')
    const known = [...serving.values()].map(({ address }) => address)
    const others = [...known, ...settings.nodes].filter((address) => !isReady(nameOf(address)))
    try {
      return await Promise.any(connected.map(({ connection }) => slotsOf(connection))).catch(() =>
        Promise.any(others.map((address) => askAnew(options, address))),
      )
    } catch (error) {
      for (const cause of error instanceof AggregateError ? error.errors : []) report.failed(cause)
      throw error
    }
  }

  async function adopt(): Promise<void> {
    const found = await ask()
    if (closed) return
    table = found
    serving = new Map()
    for (const [slot, address] of found.entries())
      if (address && !serving.has(nameOf(address))) serving.set(nameOf(address), { address, slot })
    for (const { address } of serving.values()) at(address)
    for (const name of nodes.keys()) if (!serving.has(name)) letGo(name)
    report.mended()
  }

  const lookUp = (): Promise<void> => (lookingUp ??= adopt().finally(() => (lookingUp = undefined)))

  async function search(): Promise<void> {
    if (searching) return
    searching = true
    while (!closed && !isWhole()) {
      await lookUp().catch(() => {})
      await delay(searchMs)
    }
    searching = false
  }

  return {
    masterOf: (slot) => table[slot],
    move(slot, to) {
      table[slot] = to
      void lookUp().catch(() => {})
    },
    at,
    masters: () => [...serving.values()],
    isWhole,
    lookUp,
    search,
    async close() {
      closed = true
      const connections = [...nodes.values()].map(({ connection }) => connection)
      await Promise.all(
        connections.map((connection) => connection.quit().catch(() => connection.disconnect())),
      )
    },
  }
}

async function askAnew(options: ReturnType<typeof redisOptions>, address: Address): Promise<Address[]> {
  const connection = new Redis({ ...options, ...address, retryStrategy: () => null })
  let failure: unknown
  connection.on('error', (error) => (failure = error))
  try {
    await connection.connect()
    return await slotsOf(connection)
  } catch (error) {
    throw failure ?? error
  } finally {
    connection.disconnect()
  }
}

/** Throws also when the node does not think that the Cluster works: it may be the one that was cut off. */
async function slotsOf(connection: Redis): Promise<Address[]> {
  const [info, slots] = await Promise.all([connection.cluster('INFO'), connection.cluster('SLOTS')])
  if (!info.includes('cluster_state:ok')) throw new Error('the Cluster does not work')
  return readSlots(slots, connection.options.host ?? '')
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`
}
