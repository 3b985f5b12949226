import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export type BalancedAnswer = { status: number; headers: IncomingMessage['headers']; text: string }

export type Balancer = {
  /** To the next ready replica, over kept connections; rejects when a connection breaks. Nothing is sent twice. */
  send(
    method: string,
    path: string,
    options?: { headers?: Record<string, string>; body?: string },
  ): Promise<BalancedAnswer>
  isReady(url: string): boolean
  close(): void
}

const lookEveryMs = 50

/** An ordinary HTTP client in front of replicas, which asks each of them all the time whether it is ready. */
export function createBalancer(urls: readonly string[]): Balancer {
  const ready = new Set<string>()
  const agent = new Agent({ keepAlive: true })
  let isOver = false
  let turn = 0

  async function exchange(
    url: string,
    {
      method,
      headers,
      body,
      ...options
    }: { method: string; headers?: Record<string, string>; body?: string } & {
      agent: Agent | false
    },
  ): Promise<BalancedAnswer> {
    const sent = request(url, { method, headers, ...options })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    let text = ''
    for await (const chunk of answer.setEncoding('utf8')) text += String(chunk)
    return { status: answer.statusCode ?? 0, headers: answer.headers, text }
  }
  async function watch(url: string): Promise<void> {
    while (!isOver) {
      const answer = await exchange(`${url}/readyz`, { method: 'GET', agent: false }).catch(() => undefined)
      if (answer?.status === 200) ready.add(url)
      else ready.delete(url)
      await delay(lookEveryMs)
    }
  }
  for (const url of urls) void watch(url)

  return {
    async send(method, path, options = {}) {
      const choice = [...ready]
      const url = choice[turn++ % choice.length]
      if (url === undefined) throw new Error('no replica is ready')
      return exchange(url + path, { method, agent, ...options })
    },
    isReady: (url) => ready.has(url),
    close() {
      isOver = true
      agent.destroy()
    },
  }
}
