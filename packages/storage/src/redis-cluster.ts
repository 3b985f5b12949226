import { Command, type Redis } from 'ioredis'
import { setTimeout as delay } from 'node:timers/promises'
import { createClusterNodes } from './cluster-nodes.ts'
import type { RedisClient, RedisClientDeps } from './redis-client.ts'
import { createRedisReport } from './redis-report.ts'
import { readRedirection, slotOf } from './redis-slots.ts'
import type { RedisSettings } from './store-settings.ts'

const redirectionsMax = 16
const tryAgainMs = 50

/**
 * The client of a Cluster: one connection to each master, and a table of who serves which slot. The Cluster class of ioredis
 * sends commands later than their callers wait, sends some of them twice, and follows no redirection of pipelined ones.
 */
export function createClusterClient(
  settings: Extract<RedisSettings, { topology: 'cluster' }>,
  deps: RedisClientDeps,
): RedisClient {
  const report = createRedisReport(deps.logger, () => nodes.isWhole())
  const nodes = createClusterNodes(settings, deps, report)
  let tokens = 0

  /** For those who come later. */
  function lookUpAside(): void {
    nodes.lookUp().catch(() => {})
  }

  async function send<T>(key: string, operation: (connection: Redis) => Promise<T>): Promise<T> {
    const slot = slotOf(key)
    let address = nodes.masterOf(slot)
    let asking = false
    for (let left = redirectionsMax; ; left--) {
      if (!address) {
        lookUpAside()
        throw new Error('no master serves the slot')
      }
      const { connection, opened } = nodes.at(address)
      if (connection.status !== 'ready') await opened
      const { stream } = connection
      try {
        if (asking) void sendAsking(connection)
        return await operation(connection)
      } catch (error) {
        if (isClusterDown(error)) lookUpAside()
        const redirection = readRedirection(error, slot, address.host)
        if (!redirection || left === 0) throw error
        if (!(await isInStep(connection, stream, `herald.${++tokens}`))) throw error
        if (redirection.kind === 'again') await delay(tryAgainMs)
        if (redirection.kind === 'moved') nodes.move(slot, redirection.address)
        asking = redirection.kind === 'ask'
        address = redirection.kind === 'ask' ? redirection.address : nodes.masterOf(slot)
      }
    }
  }

  return {
    settings,
    connect() {
      const first = report.firstConnection()
      void nodes.search()
      return first
    },
    send,
    async masters() {
      await nodes.lookUp()
      return nodes.masters().map(({ address }) => nodes.at(address).connection)
    },
    async slots() {
      await nodes.lookUp()
      return nodes.masters().map(({ slot }) => slot)
    },
    close: () => nodes.close(),
  }
}

function isClusterDown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('CLUSTERDOWN')
}

/**
 * Whether the replies until now were those that were asked for, since one that was lost moves all later ones: without it the
 * redirection of another command would have this one run twice. `token` is new to the connection; one out of step is given up.
 */
async function isInStep(connection: Redis, stream: Redis['stream'], token: string): Promise<boolean> {
  const reply = await connection.ping(token).catch(() => undefined)
  if (reply === token && connection.stream === stream) return true
  stream.destroy()
  return false
}

/** Has the connection's next command run where its slot is still on its way to; goes out ahead of what is pipelined. */
async function sendAsking(connection: Redis): Promise<void> {
  await (connection.sendCommand(new Command('asking')) as Promise<unknown>).catch(() => {})
}
