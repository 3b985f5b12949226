import { Command, type Redis } from 'ioredis'
import type { StoreLogger } from './store-settings.ts'

/** A marker that was recognised on a connection, as it stands in the store. */
export type Recognised = { text: string; floorAt?: number }

/** What was learned on a connection and ends with it. */
export type LinkMemory = {
  /** Hashes of the scripts that Redis was given. */
  readonly scripts: Set<string>
  /** By their keys. */
  readonly markers: Map<string, Recognised>
  /** Which process answered when it was asked last; see `identify`. */
  server?: Promise<string>
}

/** One connection, on which commands go out in the order of the calls; those of one turn of the event loop go out together. */
export type RedisLink = {
  /** Another object after each loss of the connection. */
  memory: () => LinkMemory
  /** Sends one command once. Its reply as Redis gave it, texts as UTF-8; an error within a little more than a second when there is none. */
  send: (name: string, args: (string | number)[]) => Promise<unknown>
  /** Gives the connection that this was learned on up, with everything under way on it. */
  giveUp: (learned: LinkMemory, cause: string) => void
}

const utf8 = { replyEncoding: 'utf8' } as const

/** Four looks without the oldest answer, and the connection is given up. */
const lookMs = 250
const looks = 4

/**
 * Replies come in order, so counting them is enough to see whether one is overdue; a timer, a pipeline and two more
 * promises for each command would cost three times as much as the command.
 */
export function createRedisLink(connection: Redis, logger: StoreLogger): RedisLink {
  let memory = createMemory()
  let sent = 0
  let answered = 0
  let isGathering = false
  let sentByLook: number[] = []
  let watch: NodeJS.Timeout | undefined
  // What was tried in between was not sent.
  for (const event of ['close', 'connect']) connection.on(event, () => (memory = createMemory()))

  function giveUp(learned: LinkMemory, cause: string): void {
    if (learned !== memory || connection.stream.destroyed) return
    logger.warn({ event: 'redis_given_up', cause }, 'the connection to Redis is given up')
    connection.stream.destroy()
  }

  function look(): void {
    if (answered === sent) {
      clearInterval(watch)
      watch = undefined
      sentByLook = []
      return
    }
    if (answered < (sentByLook[looks - 1] ?? 0)) giveUp(memory, 'a reply is overdue')
    sentByLook = [sent, ...sentByLook.slice(0, looks - 1)]
  }

  /** The first command goes out at once; what comes while its reply is awaited goes out together. */
  function gather(): void {
    if (isGathering || answered === sent) return
    // There is none before the first connection.
    const stream = connection.stream as Redis['stream'] | undefined
    isGathering = true
    stream?.cork()
    setImmediate(() => {
      isGathering = false
      stream?.uncork()
    })
  }

  function count(reply: unknown): unknown {
    answered++
    return reply
  }

  function countError(error: unknown): never {
    answered++
    throw error
  }

  return {
    memory: () => memory,
    send(name, args) {
      gather()
      sent++
      watch ??= setInterval(look, lookMs).unref()
      const command = new Command(name, args, utf8)
      return (connection.sendCommand(command) as Promise<unknown>).then(count, countError)
    },
    giveUp,
  }
}

function createMemory(): LinkMemory {
  return { scripts: new Set(), markers: new Map() }
}

/**
 * Names the process that answers and the history of its data. Both are other ones after a restart; after a failover at
 * least one of them is, whoever was promoted. The history may become another one under a connection that lasts, so what is
 * remembered here proves that the process is the same, and never that it is not.
 */
export function identify(link: RedisLink): Promise<string> {
  return link.memory().server ?? identifyAnew(link)
}

/** As `identify`, as it is now. */
export function identifyAnew(link: RedisLink): Promise<string> {
  const memory = link.memory()
  const asked = ask(link).catch((error: unknown) => {
    delete memory.server
    throw error
  })
  memory.server = asked
  return asked
}

async function ask(link: RedisLink): Promise<string> {
  const [server, replication] = await Promise.all([
    link.send('INFO', ['server']),
    link.send('INFO', ['replication']),
  ])
  const runId = /^run_id:(\w+)/m.exec(String(server))?.[1]
  const history = /^master_replid:(\w+)/m.exec(String(replication))?.[1]
  if (runId === undefined || history === undefined) throw new Error('Redis does not tell which process it is')
  return `${runId}:${history}`
}
