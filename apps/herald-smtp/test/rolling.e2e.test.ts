import { createBalancer, freePort, startRedis, startService, startSmtpServer } from '@herald/testing'
import { afterEach, describe, expect, it } from 'vitest'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const apiKey = 'a-key-of-the-tests-0123456789abcdef'

async function startReplicas() {
  const [redis, server] = [await startRedis(), await startSmtpServer()]
  cleanups.push(redis.stop, () => server.stop())
  const start = async (port: number) =>
    startService('herald-smtp', {
      ENVIRONMENT: 'test',
      API_KEY: apiKey,
      PORT: String(port),
      REDIS_ADDR: `127.0.0.1:${redis.port}`,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(server.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      SHUTDOWN_GRACE_SECONDS: '1',
    })
  const replicas = await Promise.all([await freePort(), await freePort()].map(start))
  cleanups.push(() => Promise.all(replicas.map((replica) => replica.stop())))
  const balancer = createBalancer(replicas.map(({ url }) => url))
  cleanups.push(balancer.close)
  await expect.poll(() => replicas.every(({ url }) => balancer.isReady(url))).toBe(true)
  return {
    server,
    balancer,
    async restart(index: number) {
      const replica = replicas[index]!
      expect(await replica.stop()).toBe(0)
      replicas[index] = await start(replica.port)
      await expect.poll(() => balancer.isReady(replica.url)).toBe(true)
    },
  }
}

describe('replicas on one Redis that are restarted one after the other', () => {
  it('answer every request, and send each mail once however often it is asked for', async () => {
    const { server, balancer, restart } = await startReplicas()
    const headers = { 'X-API-Key': apiKey, 'Content-Type': 'application/json' }
    const send = async (key: string) => {
      const mail = { to: `${key}@x.example`, subject: 'Login', body: 'Code 123456', idempotency_key: key }
      const answer = await balancer.send('POST', '/v1/send', { headers, body: JSON.stringify(mail) })
      return { status: answer.status, id: (JSON.parse(answer.text) as { message_id?: string }).message_id }
    }
    let isOver = false
    const callers = Array.from({ length: 4 }, async (_, caller) => {
      const heard: { status: number; id: string | undefined }[][] = []
      while (!isOver) {
        const key = `mail-${caller}-${heard.length}`
        heard.push([...(await Promise.all([send(key), send(key)])), await send(key)])
      }
      return heard
    })
    for (const index of [0, 1]) await restart(index)
    isOver = true
    const heard = (await Promise.all(callers)).flat()
    expect(new Set(heard.flat().map(({ status }) => status))).toEqual(new Set([200]))
    for (const answers of heard) expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect(server.messages).toHaveLength(heard.length)
  })
})
