import { Command, Redis } from 'ioredis'
import { setTimeout as delay } from 'node:timers/promises'
import type { RedisClient, RedisClientDeps } from './redis-client.ts'
import { redisOptions } from './redis-options.ts'
import { createRedisReport } from './redis-report.ts'
import { readRedirection, readSlots, slotOf, type Redirection } from './redis-slots.ts'
import type { Address, RedisSettings } from './store-settings.ts'

type ClusterSettings = Extract<RedisSettings, { topology: 'cluster' }>
type Node = { connection: Redis; opened: Promise<void> }

const redirectionsMax = 16
const tryAgainMs = 50
const searchMs = 250

/**
 * The client of a Cluster: one connection to each master, and a table of who serves which slot. The Cluster class of ioredis
 * sends commands later than their callers wait, sends some of them twice, and follows no redirection of pipelined ones.
 */
export function createClusterClient(settings: ClusterSettings, deps: RedisClientDeps): RedisClient {
  const options = redisOptions(settings, deps.name)
  const nodes = new Map<string, Node>()
  let masters: Address[] = []
  let refreshing: Promise<void> | undefined
  let searching = false
  let closed = false

  const serving = () => new Map(masters.map((address) => [nameOf(address), address]))
  const isWhole = () =>
    masters.length > 0 &&
    [...serving().keys()].every((name) => nodes.get(name)?.connection.status === 'ready')
  const report = createRedisReport(deps.logger, isWhole)

  function open(address: Address): Node {
    const name = nameOf(address)
    const connection = new Redis({ ...options, ...address })
    connection.on('ready', report.mended)
    connection.on('error', (error) => serving().has(name) && report.failed(error))
    connection.on('close', () => {
      if (serving().has(name)) void search()
      else if (nodes.get(name)?.connection === connection) drop(name)
    })
    deps.onConnection?.(connection)
    const node = { connection, opened: connection.connect().catch(() => {}) }
    nodes.set(name, node)
    return node
  }

  function drop(name: string): void {
    nodes.get(name)?.connection.disconnect()
    nodes.delete(name)
  }

  /** One that serves again later is another master then: what is known of its connection must not outlast this. */
  function letGo(name: string): void {
    const connection = nodes.get(name)?.connection
    nodes.delete(name)
    // After what is under way.
    connection?.quit().catch(() => connection.disconnect())
  }

  const nodeAt = (address: Address) => nodes.get(nameOf(address)) ?? open(address)

  /** Asks all nodes that are known and takes the first answer, since those that hang must not hold it up. */
  async function lookUp(): Promise<void> {
    const known = [...serving().values(), ...settings.nodes]
    const addresses = new Map(known.map((address) => [nameOf(address), address]))
    try {
      masters = await Promise.any([...addresses.values()].map((address) => askSlots(options, address)))
    } catch (error) {
      const causes = (error as AggregateError).errors as unknown[]
      causes.forEach(report.failed)
      throw causes[0]
    }
    if (closed) return
    for (const address of serving().values()) nodeAt(address)
    for (const name of nodes.keys()) if (!serving().has(name)) letGo(name)
    report.mended()
  }

  const refresh = () => (refreshing ??= lookUp().finally(() => (refreshing = undefined)))

  /** Goes on until every master that the Cluster names is connected: the one that was lost may never come back. */
  async function search(): Promise<void> {
    if (searching) return
    searching = true
    while (!closed && !isWhole()) {
      await refresh().catch(() => {})
      await delay(searchMs)
    }
    searching = false
  }

  async function follow(redirection: Redirection, slot: number): Promise<Address | undefined> {
    if (redirection.kind === 'again') await delay(tryAgainMs)
    if (redirection.kind === 'moved') {
      masters[slot] = redirection.address
      void refresh().catch(() => {})
    }
    return redirection.kind === 'ask' ? redirection.address : masters[slot]
  }

  return {
    settings,
    connect() {
      const first = report.firstConnection()
      void search()
      return first
    },
    async send(key, operation) {
      const slot = slotOf(key)
      let address = masters[slot]
      let asking = false
      for (let left = redirectionsMax; ; left--) {
        if (!address) throw new Error('no master serves the slot')
        const { connection, opened } = nodeAt(address)
        if (connection.status !== 'ready') await opened
        try {
          if (asking) void letIn(connection)
          return await operation(connection)
        } catch (error) {
          const redirection = readRedirection(error, slot, address.host)
          if (!redirection || left === 0) throw error
          address = await follow(redirection, slot)
          asking = redirection.kind === 'ask'
        }
      }
    },
    async masters() {
      await refresh()
      return [...serving().values()].map((address) => nodeAt(address).connection)
    },
    async slots() {
      await refresh()
      const names = masters.map(nameOf)
      return [...serving().keys()].map((name) => names.indexOf(name))
    },
    async close() {
      closed = true
      await Promise.all(
        [...nodes.values()].map(({ connection }) => connection.quit().catch(() => connection.disconnect())),
      )
    },
  }
}

/** Has the connection's next command run where its slot is still on its way to; goes out ahead of what is pipelined. */
async function letIn(connection: Redis): Promise<void> {
  await (connection.sendCommand(new Command('asking')) as Promise<unknown>).catch(() => {})
}

/** On a connection of its own. Throws also when the node does not think that the Cluster works. */
async function askSlots(options: ReturnType<typeof redisOptions>, address: Address): Promise<Address[]> {
  const connection = new Redis({ ...options, ...address, retryStrategy: () => null })
  let failure: unknown
  connection.on('error', (error) => (failure = error))
  try {
    await connection.connect()
    const [info, slots] = await Promise.all([connection.cluster('INFO'), connection.cluster('SLOTS')])
    if (!info.includes('cluster_state:ok')) throw new Error('the Cluster does not work')
    return readSlots(slots, address.host)
  } catch (error) {
    throw failure ?? error
  } finally {
    connection.disconnect()
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`
}
