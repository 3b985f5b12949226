import { Agent, request } from 'node:http'

/** Answers and how long each took by recipient, in milliseconds. */
export type Load = {
  tookMs: Map<string, number>
  accepted: number
  refused: number
  failed: number
  elapsedMs: number
}

type LoadOptions = { url: string; apiKey: string; connections: number; refusedShare: number }

type Ended = 'accepted' | 'refused' | 'failed'

const round = Math.trunc(performance.timeOrigin)

/** Keeps that many connections busy until so many mails were asked for; each has an address and a key of its own. */
export async function sendMails(count: number, label: string, options: LoadOptions): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections })
  const load: Load = { tookMs: new Map(), accepted: 0, refused: 0, failed: 0, elapsedMs: 0 }
  const every = options.refusedShare > 0 ? Math.round(1 / options.refusedShare) : Infinity
  let next = 0

  async function worker(): Promise<void> {
    while (next < count) {
      const n = next++
      const name = `${n % every === every - 1 ? 'refused' : 'u'}-${label}-${round}-${n}`
      const to = `${name}@example.com`
      const since = performance.now()
      const ended = await post(agent, { to, idempotency_key: name }, options)
      load.tookMs.set(to, performance.now() - since)
      load[ended] += 1
    }
  }

  const since = performance.now()
  await Promise.all(Array.from({ length: options.connections }, worker))
  load.elapsedMs = performance.now() - since
  agent.destroy()
  return load
}

function post(
  agent: Agent,
  mail: { to: string; idempotency_key: string },
  { url, apiKey }: LoadOptions,
): Promise<Ended> {
  const body = JSON.stringify({ ...mail, subject: 'Login', body: 'Your code is 123456' })
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'X-API-Key': apiKey,
  }
  return new Promise((resolve) => {
    const outgoing = request(`${url}/v1/send`, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(endingOf(response.statusCode)))
    })
    outgoing.on('error', () => resolve('failed'))
    outgoing.end(body)
  })
}

function endingOf(status: number | undefined): Ended {
  if (status === 200) return 'accepted'
  return status === 422 ? 'refused' : 'failed'
}
