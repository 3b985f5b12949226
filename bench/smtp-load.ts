import { openConnection, type Connection } from './connection.ts'

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
  const port = Number(new URL(options.url).port)
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => openConnection(port)),
  )
  const load: Load = { tookMs: new Map(), accepted: 0, refused: 0, failed: 0, elapsedMs: 0 }
  const every = options.refusedShare > 0 ? Math.round(1 / options.refusedShare) : Infinity
  let next = 0

  async function worker(connection: Connection): Promise<void> {
    while (next < count) {
      const n = next++
      const name = `${n % every === every - 1 ? 'refused' : 'u'}-${label}-${round}-${n}`
      const to = `${name}@example.com`
      const since = performance.now()
      const ended = await post(connection, { to, idempotency_key: name }, options)
      load.tookMs.set(to, performance.now() - since)
      load[ended] += 1
    }
  }

  const since = performance.now()
  await Promise.all(connections.map(worker))
  load.elapsedMs = performance.now() - since
  for (const connection of connections) connection.close()
  return load
}

function post(
  connection: Connection,
  mail: { to: string; idempotency_key: string },
  { apiKey }: LoadOptions,
): Promise<Ended> {
  const body = JSON.stringify({ ...mail, subject: 'Login', body: 'Your code is 123456' })
  const head = [
    'POST /v1/send HTTP/1.1',
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-API-Key: ${apiKey}`,
  ]
  return new Promise((resolve) => {
    connection.send(Buffer.from([...head, '', body].join('\r\n')), ({ status }) => resolve(endingOf(status)))
  })
}

function endingOf(status: number | undefined): Ended {
  if (status === 200) return 'accepted'
  return status === 422 ? 'refused' : 'failed'
}
