import { Command, type Redis } from 'ioredis'
import type { StoreLogger } from './store-settings.ts'

/** The connection that commands go out on, in the order of the calls; those of one turn of the event loop go out together. */
export type RedisLink = {
  /** Another number after each loss of the connection. */
  number: () => number
  /** Sends one command once. Its reply as Redis gave it, texts as UTF-8; an error within a little more than a second when there is none. */
  send: (name: string, args: (string | number)[]) => Promise<unknown>
  /** Sends what is asked of the client in this turn together, too. */
  gather: () => void
  /** Gives the connection with this number up, with everything under way on it. */
  giveUp: (number: number, cause: string) => void
}

const utf8 = { replyEncoding: 'utf8' } as const

/** Four looks without the oldest answer, and the connection is given up. */
const lookMs = 250
const looks = 4

/**
 * Replies come in order, so counting them is enough to see whether one is overdue; a timer, a pipeline and two more
 * promises for each command would cost three times as much as the command.
 */
export function createRedisLink(client: Redis, logger: StoreLogger): RedisLink {
  let connection = 0
  let sent = 0
  let answered = 0
  let isGathering = false
  let sentByLook: number[] = []
  let watch: NodeJS.Timeout | undefined
  client.on('close', () => connection++)

  function giveUp(number: number, cause: string): void {
    if (number !== connection || client.stream.destroyed) return
    logger.warn({ event: 'redis_given_up', cause }, 'the connection to Redis is given up')
    client.stream.destroy()
  }

  function look(): void {
    if (answered === sent) {
      clearInterval(watch)
      watch = undefined
      sentByLook = []
      return
    }
    if (answered < (sentByLook[looks - 1] ?? 0)) giveUp(connection, 'a reply is overdue')
    sentByLook = [sent, ...sentByLook.slice(0, looks - 1)]
  }

  function gather(): void {
    if (isGathering) return
    isGathering = true
    const { stream } = client
    stream.cork()
    setImmediate(() => {
      isGathering = false
      stream.uncork()
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
    number: () => connection,
    send(name, args) {
      gather()
      sent++
      watch ??= setInterval(look, lookMs).unref()
      const command = new Command(name, args, utf8)
      return (client.sendCommand(command) as Promise<unknown>).then(count, countError)
    },
    gather,
    giveUp,
  }
}
