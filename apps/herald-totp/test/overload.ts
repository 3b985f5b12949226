import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startRedis } from '@herald/testing'
import { baseEnv, startTotp, temporaryFolder } from './service-harness.ts'

/** What V8 allows itself in a container of 256 MiB. */
const asInContainer = '--max-old-space-size=128 --max-semi-space-size=1'

type Wave = { statuses: Record<string, number>; shed: string[] }

/** Sends `width` verifies at once, each on a kept connection of its own, before, while and after Redis hangs. */
export async function overload({ width }: { width: number }) {
  const redis = await startRedis()
  const service = await startTotp({
    REDIS_ADDR: `127.0.0.1:${redis.port}`,
    RATE_LIMIT_PER_SUBJECT: '1000000',
    NODE_OPTIONS: asInContainer,
  })
  const { port, pid, caller } = service
  const sockets = await Promise.all(Array.from({ length: width }, () => open(port)))
  try {
    await caller.verify('first', '123456')
    redis.pause()
    const hanging = sendAll(sockets)
    const livez = await caller.get('/livez')
    const first = await hanging
    const second = await sendAll(sockets)
    redis.resume()
    const recovered = await untilServing(() => caller.status('a'))
    const afterwards = await sendAll(sockets.slice(0, 200))
    return {
      first,
      second,
      afterwards,
      recovered,
      livez: livez.status,
      open: sockets.filter((socket) => !socket.destroyed).length,
      peakMebibytes: peakMebibytes(pid),
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    await service.stop()
    await redis.stop()
  }
}

/** Fills the service with requests whose bodies are half there, asks, and hangs up. */
export async function fillWithHalfRequests(count: number) {
  const folder = temporaryFolder()
  const service = await startTotp({ SQLITE_PATH: join(folder.path, 'totp.sqlite') })
  const { port, url, caller } = service
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port)))
  const status = async (path: string) => (await fetch(url + path)).status
  try {
    for (const [n, socket] of sockets.entries()) socket.write(requestOf(`subject-${n}`).slice(0, -5))
    await untilTrue(async () => (await underWay(url)) > count)
    const refused = await fetch(`${url}/v1/verify`, { method: 'POST', body: '{}' })
    const whileFull = {
      verify: { status: refused.status, body: await refused.json() },
      retryAfter: refused.headers.get('retry-after'),
      livez: await status('/livez'),
      readyz: await status('/readyz'),
    }
    for (const socket of sockets) socket.destroy()
    const recovered = await untilServing(() => caller.status('a'))
    return { whileFull, recovered }
  } finally {
    for (const socket of sockets) socket.destroy()
    await service.stop()
    folder.remove()
  }
}

/** Opens so many connections, and asks over one of those that stay; then lets them go and asks over a new one. */
export async function crowd(count: number) {
  const folder = temporaryFolder()
  const service = await startTotp({
    SQLITE_PATH: join(folder.path, 'totp.sqlite'),
    NODE_OPTIONS: asInContainer,
  })
  const sockets: Socket[] = []
  const left = () => sockets.filter((socket) => !socket.destroyed)
  try {
    // Not more at once than the system lets wait for being accepted.
    while (sockets.length < count) {
      const more = await Promise.all(Array.from({ length: 250 }, () => open(service.port)))
      // Paused, they would not see their end.
      for (const socket of more) sockets.push(socket.on('error', () => socket.destroy()).resume())
    }
    await untilTrue(async () => {
      await delay(20)
      return left().length <= 8192
    })
    const answer = await exchange(left()[0]!, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
    const stayed = left().length
    for (const socket of sockets) socket.destroy()
    const live = () => fetch(`${service.url}/livez`).catch(() => ({ status: 0 }))
    await untilServing(live)
    return {
      open: stayed,
      served: Number(answer.slice(9, 12)),
      servedAfterwards: (await live()).status,
      peakMebibytes: peakMebibytes(service.pid),
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    await service.stop()
    folder.remove()
  }
}

/** The request that asks is one of them. */
async function underWay(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^http_requests_under_way\{.*\} (\d+)$/m.exec(metrics)?.[1])
}

async function untilTrue(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue()));
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  await once(socket, 'connect')
  return socket
}

async function sendAll(sockets: Socket[]): Promise<Wave> {
  const answers = await Promise.all(sockets.map((socket, n) => exchange(socket, requestOf(`subject-${n}`))))
  return {
    statuses: tallyStatuses(answers),
    shed: answers.filter((answer) => /^retry-after: /im.test(answer)),
  }
}

function tallyStatuses(answers: readonly string[]): Record<string, number> {
  const statuses: Record<string, number> = {}
  for (const answer of answers) {
    const status = answer.slice(9, 12)
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  return statuses
}

function requestOf(subject: string): string {
  const body = JSON.stringify({ subject, code: '123456' })
  const head = `POST /v1/verify HTTP/1.1\r\nHost: a\r\nX-API-Key: ${baseEnv.API_KEY}\r\n`
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  let answer = ''
  while (!/\r\n\r\n.*\}$/s.test(answer)) answer += ((await once(socket, 'data')) as [string])[0]
  return answer
}

async function untilServing(ask: () => Promise<{ status: number }>): Promise<number> {
  const startedAt = performance.now()
  await untilTrue(async () => (await ask()).status === 200)
  return performance.now() - startedAt
}

function peakMebibytes(pid: number): number {
  const kibibytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) / 1024
}
