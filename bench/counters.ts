import { connect } from 'node:net'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** What a process has cost so far, from /proc; NaN where there is none. */
export type ProcessCost = { cpuMs: number; rssMib: number; rssPeakMib: number }

/** What a Redis server has done so far; NaN for what it does not count. */
export type RedisWork = {
  cpuMs: number
  roundTrips: number
  commands: number
  /** Without the buffers of its clients. */
  memoryBytes: number
}

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own clock. */
const msPerTick = 10

export function processCost(pid: number): ProcessCost {
  const [stat, status] = ['stat', 'status'].map((file) => readOrNothing(`/proc/${pid}/${file}`))
  // The name before it may hold blanks and brackets.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status ?? '')?.[1]) / 1024
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick,
    rssMib: mebibytes('VmRSS'),
    rssPeakMib: mebibytes('VmHWM'),
  }
}

/** Asks on a connection of its own; the asking itself counts as one round trip and no command. */
export async function redisWork(port: number): Promise<RedisWork> {
  const text = await redisInfo(port)
  const value = (name: string) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  const calls = [...text.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)]
  return {
    cpuMs: (value('used_cpu_user') + value('used_cpu_sys')) * 1000,
    roundTrips: value('total_reads_processed'),
    commands: calls
      .filter(([, command]) => command !== 'info' && command !== 'ping')
      .reduce((sum, [, , count]) => sum + Number(count), 0),
    memoryBytes: value('used_memory') - value('mem_clients_normal'),
  }
}

/** The INFO of a Redis server, every section of it. */
export async function redisInfo(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write('INFO everything\r\n')
  let reply = ''
  for await (const chunk of socket.setEncoding('latin1')) {
    reply += chunk as string
    const headEnd = reply.indexOf('\r\n')
    if (headEnd >= 0 && reply.length >= headEnd + 2 + Number(reply.slice(1, headEnd))) break
  }
  socket.destroy()
  if (!socket.closed) await once(socket, 'close')
  return reply
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
