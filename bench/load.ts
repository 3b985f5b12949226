import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { openConnection, type Answer, type Connection } from './connection.ts'
import { quantile } from './figures.ts'

export type Plan = {
  port: number
  /** Written and signed before the clock starts. */
  requests: readonly Buffer[]
  connections: number
  /** A second: the load does not wait for answers (open loop), and a latency counts from when its request was due. */
  rate?: number
  /** What every answer has to be; `text` stands in its body. */
  expected: { status: number; text: string }
  /** The answer that was expected came to the request with this number. */
  onExpected?: (index: number) => void
}

export type Load = {
  requests: number
  /** How many answers were the expected ones. */
  expected: number
  seconds: number
  perSecond: number
  p50: number
  p99: number
  max: number
  /** Of the generator itself, a request. */
  generatorCpuMs: number
  /** An answer that was not expected. */
  odd?: string
}

/** Sends every request once and judges every answer. */
export async function runLoad(plan: Plan): Promise<Load> {
  const { requests, expected } = plan
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, () => openConnection(plan.port)),
  )
  const tookMs: number[] = []
  let matching = 0
  let odd: string | undefined

  function judge(index: number, dueAt: number, { status, body }: Answer): void {
    tookMs.push(performance.now() - dueAt)
    if (status === expected.status && body.includes(expected.text)) {
      matching += 1
      plan.onExpected?.(index)
    } else odd ??= `${status} ${body.slice(0, 200)}`
  }

  const cpu = process.cpuUsage()
  const startedAt = await (plan.rate === undefined
    ? closedLoop(connections, requests, judge)
    : openLoop(connections, requests, plan.rate, judge))
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of connections) connection.close()
  return {
    requests: requests.length,
    expected: matching,
    seconds,
    perSecond: requests.length / seconds,
    p50: quantile(tookMs, 0.5),
    p99: quantile(tookMs, 0.99),
    max: quantile(tookMs, 1),
    generatorCpuMs: (user + system) / 1000 / requests.length,
    ...(odd !== undefined && { odd }),
  }
}

type Judge = (index: number, dueAt: number, answer: Answer) => void

/** Each connection sends its next request when it has the answer to the one before. Gives when the first was due. */
function closedLoop(
  connections: readonly Connection[],
  requests: readonly Buffer[],
  judge: Judge,
): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    let next = 0
    let left = requests.length
    function sendNext(connection: Connection): void {
      const index = next
      const request = requests[index]
      if (request === undefined) return
      next += 1
      const sentAt = performance.now()
      connection.send(request, (answer) => {
        judge(index, sentAt, answer)
        left -= 1
        if (left === 0) resolve(startedAt)
        else sendNext(connection)
      })
    }
    for (const connection of connections) sendNext(connection)
  })
}

/** A request goes out when it is due, or as soon after that as a connection is free. Gives when the first was due. */
async function openLoop(
  connections: readonly Connection[],
  requests: readonly Buffer[],
  rate: number,
  judge: Judge,
): Promise<number> {
  const free = [...connections]
  const due: number[] = []
  const { promise, resolve } = Promise.withResolvers<number>()
  const hrtimeAhead = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  let startedAt: number | undefined
  let next = 0
  let left = requests.length

  function sendDue(): void {
    while (due.length > 0 && free.length > 0) {
      const index = next
      const dueAt = due.shift() ?? 0
      const connection = free.pop()
      next += 1
      connection?.send(requests[index] ?? Buffer.alloc(0), (answer) => {
        judge(index, dueAt, answer)
        left -= 1
        if (left === 0) resolve(startedAt ?? 0)
        free.push(connection)
        sendDue()
      })
    }
  }

  const metronome = new Worker(join(import.meta.dirname, 'metronome.ts'), {
    workerData: { intervalMs: 1000 / rate, ticks: requests.length },
  })
  metronome.on('message', (tickAt: number) => {
    const dueAt = tickAt - hrtimeAhead
    startedAt ??= dueAt
    due.push(dueAt)
    sendDue()
  })
  return promise
}
