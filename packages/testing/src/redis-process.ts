import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'

export type RedisProcess = {
  signal: (signal: 'SIGSTOP' | 'SIGCONT') => void
  /** SIGKILL; resolves when it has ended. */
  kill: () => Promise<void>
}

/** Starts redis-server and resolves once it answers at the port; throws when it ends before. */
export async function launchRedis(
  binary: string,
  args: readonly string[],
  at: { port: number; tls: boolean },
): Promise<RedisProcess> {
  const child = spawn(binary, args, { stdio: 'ignore' })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  child.once('exit', () => process.off('exit', onExit))
  while (!(await answers(at))) {
    if (child.exitCode !== null) throw new Error(`the Redis server ended with ${child.exitCode}`)
    await delay(10)
  }
  return {
    signal: (signal) => void child.kill(signal),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Whether something there speaks Redis and has loaded its data; asking for a password is an answer. */
async function answers({ port, tls }: { port: number; tls: boolean }): Promise<boolean> {
  const socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1')
  try {
    socket.write('PING\r\n')
    const [reply] = (await once(socket, 'data', { signal: AbortSignal.timeout(1000) })) as [Buffer]
    return /^(\+PONG|-NOAUTH)/.test(reply.toString())
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
