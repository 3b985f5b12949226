import { sendRaw, startRedis } from '@herald/testing'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTotp } from './service-harness.ts'

const secretOf = (name: string) => createHash('sha256').update(`rotation ${name}`).digest('hex')
const keysEnv = (...ids: string[]) => ({
  HERALD_TOTP_HMAC_KEYS: JSON.stringify(Object.fromEntries(ids.map((id) => [id, secretOf(id)]))),
})

type Call = { method: string; path: string; query: string; body: string }
type Client = (key: string, call: Call) => Record<string, string>

const hmac = (key: string, text: string) => createHmac('sha256', secretOf(key)).update(text).digest('hex')
const second = () => String(Math.floor(Date.now() / 1000))

/** Put together by hand, as the clients in use do it, and by none of our signers. */
const clients: Record<string, Client> = {
  'herald-totp 0.x: v1, no key id': (key, { body }) => {
    const timestamp = second()
    return {
      'X-Timestamp': timestamp,
      'X-Service': 'stargate',
      'X-Signature': hmac(key, `${timestamp}:stargate:${body}`),
    }
  },
  'herald-totp 1.x: v1 with a key id': (key, { body }) => {
    const timestamp = second()
    return {
      'X-Timestamp': timestamp,
      'X-Service': 'herald',
      'X-Key-Id': key,
      'X-Signature': hmac(key, `${timestamp}:herald:${body}`),
    }
  },
  'Herald 1.x: v2': (key, { method, path, query, body }) => {
    const [timestamp, nonce] = [second(), randomBytes(16).toString('hex')]
    const digest = createHash('sha256').update(body).digest('hex')
    const lines = ['HERALD-HMAC-V2', method, path, query, timestamp, nonce, 'herald', key, digest]
    return {
      'X-Signature-Version': 'v2',
      'X-Timestamp': timestamp,
      'X-Nonce': nonce,
      'X-Service': 'herald',
      'X-Key-Id': key,
      'X-Signature': hmac(key, lines.join('\n')),
    }
  },
}

const calls: Call[] = [
  { method: 'GET', path: '/v1/status', query: 'subject=alice', body: '' },
  { method: 'POST', path: '/v1/revoke', query: '', body: '{"subject":"alice"}' },
]

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => void setImmediate(next))
}

describe('a rotation of HMAC keys over two replicas', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  const replicas: Awaited<ReturnType<typeof startTotp>>[] = []
  /** What a load balancer has in its list, and what it waits for before a replica may go. */
  const listed = new Set<number>()
  const underWay = [0, 0]
  const start = async (n: number, ...keys: string[]) => {
    replicas[n] = await startTotp({ ...keysEnv(...keys), REDIS_ADDR: `127.0.0.1:${redis.port}` })
    listed.add(n)
  }
  async function roll(...keys: string[]) {
    for (const n of [0, 1]) {
      listed.delete(n)
      await until(() => underWay[n] === 0)
      await replicas[n]!.stop()
      await start(n, ...keys)
    }
  }

  beforeAll(async () => {
    redis = await startRedis()
    await start(0, 'old')
    await start(1, 'old')
  })
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()))
    await redis.stop()
  })

  it('refuses no request of any client, with the old key alone, with both, and with the new one alone', async () => {
    const keyOf = new Map(Object.keys(clients).map((name) => [name, 'old']))
    const tally = new Map<string, number>()
    let done = false

    async function send(client: Client, key: string, call: Call, turn: number): Promise<number> {
      const list = [...listed]
      const n = list[turn % list.length]!
      const { method, path, query, body } = call
      const headers = { ...client(key, call), 'Content-Type': 'application/json' }
      const target = query === '' ? path : `${path}?${query}`
      underWay[n]! += 1
      try {
        return (await sendRaw(replicas[n]!.url, { method, target, headers, body })).status
      } finally {
        underWay[n]! -= 1
      }
    }
    const traffic = Object.entries(clients).map(async ([name, client]) => {
      for (let turn = 0; !done; turn += 1) {
        const key = keyOf.get(name)!
        const status = await send(client, key, calls[turn % calls.length]!, turn)
        const row = `${name}, ${key} key: ${status}`
        tally.set(row, (tally.get(row) ?? 0) + 1)
      }
    })
    const seenBy = (rows: number) =>
      Promise.race([
        until(() => tally.size >= rows && [...tally.values()].every((count) => count >= 4)),
        Promise.all(traffic),
      ])

    await seenBy(3)
    await roll('old', 'new')
    for (const name of keyOf.keys()) keyOf.set(name, 'new')
    await seenBy(6)
    await roll('new')
    done = true
    await Promise.all(traffic)

    const expected = Object.keys(clients).flatMap((name) => [
      `${name}, old key: 200`,
      `${name}, new key: 200`,
    ])
    expect([...tally.keys()].toSorted()).toEqual(expected.toSorted())
    const [call] = calls
    for (const client of Object.values(clients)) expect(await send(client, 'old', call!, 0)).toBe(401)
  }, 60_000)
})
