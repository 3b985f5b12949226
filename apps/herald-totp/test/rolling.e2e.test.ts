import { isDeepStrictEqual } from 'node:util'
import { createBalancer, freePort, startRedis, type Balancer } from '@herald/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { codeOf } from './domain-harness.ts'
import { baseEnv, startTotp } from './service-harness.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** Two on one Redis, each on a port of its own over all restarts. */
async function startReplicas() {
  const redis = await startRedis()
  cleanups.push(redis.stop)
  const start = async (port: number) =>
    startTotp({ REDIS_ADDR: `127.0.0.1:${redis.port}`, PORT: String(port), SHUTDOWN_GRACE_SECONDS: '1' })
  const replicas = await Promise.all([await freePort(), await freePort()].map(start))
  cleanups.push(() => Promise.all(replicas.map((replica) => replica.stop())))
  const balancer = createBalancer(replicas.map(({ url }) => url))
  cleanups.push(balancer.close)
  await expect.poll(() => replicas.every(({ url }) => balancer.isReady(url))).toBe(true)
  return {
    balancer,
    async restart(index: number) {
      const replica = replicas[index]!
      expect(await replica.stop()).toBe(0)
      expect(balancer.isReady(replica.url)).toBe(false)
      replicas[index] = await start(replica.port)
      await expect.poll(() => balancer.isReady(replica.url)).toBe(true)
    },
  }
}

type Call = (
  method: string,
  path: string,
  body?: object,
) => Promise<Record<string, unknown> & { status: number }>

function createCall(balancer: Balancer, seen: { answers: number; last: number }): Call {
  const headers = { 'X-API-Key': baseEnv.API_KEY, 'Content-Type': 'application/json' }
  return async (method, path, body) => {
    const answer = await balancer.send(method, path, { headers, ...(body && { body: JSON.stringify(body) }) })
    seen.answers += 1
    if (answer.headers.connection === 'close') seen.last += 1
    return { ...(JSON.parse(answer.text) as object), status: answer.status }
  }
}

/** One whole life of a user; whatever differs from it is a lost, refused or doubled request. */
async function live(call: Call, subject: string): Promise<unknown> {
  const status = () => call('GET', `/v1/status?subject=${subject}`)
  const { enroll_id, secret_base32: secret } = await call('POST', '/v1/enroll/start', { subject })
  const code = (offset: number) => codeOf(String(secret), Date.now(), offset)
  const confirmed = await call('POST', '/v1/enroll/confirm', { enroll_id, code: code(0) })
  const enabled = await status()
  const once = { subject, code: code(1) }
  const twins = await Promise.all([call('POST', '/v1/verify', once), call('POST', '/v1/verify', once)])
  const revoked = await call('POST', '/v1/revoke', { subject })
  const disabled = await status()
  return {
    calls: [confirmed, enabled, revoked, disabled].map((answer) => answer.status),
    twins: twins.map((answer) => answer.status).toSorted((a, b) => a - b),
    enabled: [enabled['totp_enabled'], disabled['totp_enabled']],
  }
}

const wholeLife = { calls: [200, 200, 200, 200], twins: [200, 400], enabled: [true, false] }

describe('replicas on one Redis that are restarted one after the other', () => {
  it('lose no request, refuse none and accept no code twice', async () => {
    const { balancer, restart } = await startReplicas()
    const seen = { answers: 0, last: 0 }
    const call = createCall(balancer, seen)
    let isOver = false
    const users = Array.from({ length: 4 }, async (_, user) => {
      const lives: unknown[] = []
      while (!isOver) lives.push(await live(call, `user-${user}-${lives.length}`))
      return lives
    })
    for (const index of [0, 1]) await restart(index)
    isOver = true
    const lives = (await Promise.all(users)).flat()
    expect(lives.filter((each) => !isDeepStrictEqual(each, wholeLife))).toEqual([])
    expect(lives.length).toBeGreaterThan(4)
    // What was kept open was ended by an answer, not cut.
    expect(seen.last).toBeGreaterThan(0)
  })
})
