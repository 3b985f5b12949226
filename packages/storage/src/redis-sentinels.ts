import { Redis } from 'ioredis'
import { isIP } from 'node:net'
import { redisOptions } from './redis-options.ts'
import type { RedisSettings } from './store-settings.ts'

const switched = '+switch-master'
const keepAliveMs = 10_000

/** Eyes on the sentinels beside the connection that asks them for the master. */
export type SentinelWatch = {
  /** What an error of the connection comes from, which tells no more than that no sentinel named a master. */
  causesOf: (error: Error) => Error[]
  stop: () => void
}

/** Leaves a master that the sentinels have replaced, also one that is cut off from them and goes on as if it were not. */
export function watchSentinels(
  settings: Extract<RedisSettings, { topology: 'sentinel' }>,
  connection: Redis,
  name: string,
): SentinelWatch {
  const { sentinelUsername, sentinelPassword } = settings
  const failures = new Map<Redis, Error>()
  let announced: string | undefined

  function leaveUnlessAnnounced(): void {
    const { remoteAddress, remotePort } = connection.stream
    if (announced !== undefined && announced !== `${remoteAddress}:${remotePort}`) connection.disconnect(true)
    // From here on the sentinels are asked.
    announced = undefined
  }

  function hear(master: readonly unknown[]): void {
    announced = master.join(':')
    // One that is still asking for the master would end for good.
    if (connection.status === 'ready') leaveUnlessAnnounced()
  }

  /** A name does not tell whether it is where the connection leads. */
  function hearAddress(master: unknown): void {
    if (Array.isArray(master) && isIP(String(master[0])) > 0) hear(master)
  }

  const sentinels = settings.sentinels.map((address) => {
    const sentinel = new Redis({
      ...redisOptions(settings, name),
      ...address,
      // Nothing is sent that would show that nobody is there any more.
      keepAlive: keepAliveMs,
      username: sentinelUsername,
      password: sentinelPassword?.reveal(),
      enableReadyCheck: false,
    })
    sentinel.on('error', (error: Error) => failures.set(sentinel, error))
    sentinel.on('ready', () => {
      failures.delete(sentinel)
      // It may have said so while nobody listened.
      sentinel.call('SENTINEL', 'get-master-addr-by-name', settings.master).then(hearAddress, () => {})
      sentinel.subscribe(switched).catch(() => {})
    })
    sentinel.on('message', (_channel: string, text: string) => {
      const [master, , , ...address] = text.split(' ')
      if (master === settings.master) hear(address)
    })
    return sentinel
  })
  connection.on('ready', leaveUnlessAnnounced)
  connection.once('connecting', () => {
    for (const sentinel of sentinels) sentinel.connect().catch(() => {})
  })
  return {
    causesOf(error) {
      if (!error.message.startsWith('All sentinels are unreachable')) return [error]
      if (error.message.includes('No such master')) return [unknownMaster]
      return failures.size > 0 ? [...failures.values()] : [error]
    },
    stop: () => sentinels.forEach((sentinel) => sentinel.disconnect()),
  }
}

const unknownMaster = Object.assign(new Error('no sentinel knows the master'), { code: 'UNKNOWN_MASTER' })
