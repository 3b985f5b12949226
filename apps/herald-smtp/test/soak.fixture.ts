import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createFaultProxy,
  freePort,
  startRedis,
  startService,
  startSmtpServer,
  type FaultProxy,
  type RedisServer,
  type SmtpServer,
} from '@herald/testing'
import { expect, onTestFinished } from 'vitest'

const apiKey = 'a-key-of-the-tests-0123456789abcdef'

/** What one HTTP call came to; a call that got no answer is unknown to its caller. */
export type Heard = { status: number; outcome: 'accepted' | 'not_sent' | 'unknown'; messageId?: string }

/** POST /v1/send under a key; never rejects. `refused` means that nobody listened. */
export async function sendKeyed(url: string, key: string): Promise<Heard | 'refused'> {
  try {
    const response = await fetch(`${url}/v1/send`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-API-Key': apiKey, 'Idempotency-Key': key },
      body: JSON.stringify({ to: `${key}@example.com`, subject: 'Login', body: 'Code 123456' }),
    })
    const body = (await response.json()) as { ok: boolean; message_id?: string; outcome?: Heard['outcome'] }
    if (body.ok) return { status: 200, outcome: 'accepted', messageId: String(body.message_id) }
    return { status: response.status, outcome: body.outcome ?? 'unknown' }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string }
    return code === 'ECONNREFUSED' ? 'refused' : { status: 0, outcome: 'unknown' }
  }
}

export async function startPair(): Promise<readonly [SmtpServer, SmtpServer]> {
  const servers = [await startSmtpServer(), await startSmtpServer()] as const
  for (const server of servers) onTestFinished(() => server.stop())
  return servers
}

/** The environment of a service with two upstreams and a store on disk. */
export async function environmentOf(
  servers: readonly SmtpServer[],
  changes: Record<string, string> = {},
): Promise<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-soak-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const upstreams = servers.map(({ port }, n) => ({ name: `s${n}`, host: '127.0.0.1', port, tls: 'none' }))
  return {
    ENVIRONMENT: 'test',
    API_KEY: apiKey,
    PORT: String(await freePort()),
    SMTP_UPSTREAMS: JSON.stringify(upstreams),
    SMTP_FROM: 'noreply@herald.example',
    SQLITE_PATH: join(folder, 'store.sqlite'),
    ...changes,
  }
}

const messageIdOf = ({ raw }: { raw: Buffer }): string =>
  String(/^Message-ID:\s*<(.*)>\r$/im.exec(raw.toString())?.[1])

/** The Message-IDs that each key's address received. */
export function receivedBy(servers: readonly SmtpServer[]): Map<string, string[]> {
  const received = new Map<string, string[]>()
  for (const message of servers.flatMap(({ messages }) => messages)) {
    const key = String(message.to[0]).split('@')[0] ?? ''
    received.set(key, [...(received.get(key) ?? []), messageIdOf(message)])
  }
  return received
}

type Load = {
  heard: ReadonlyMap<string, Heard[]>
  /** Resolves once so much of the load, from 0 to 1, is done with. */
  reached(part: number): Promise<void>
  run(): Promise<void>
}

/** `keys` mails, each asked for by one to three twins until they hear 200; `urlOf` names the replica for a call. */
function createLoad(keys: number, urlOf: (call: number) => string): Load {
  const heard = new Map<string, Heard[]>()
  const calls = Array.from({ length: keys }, (_, n) =>
    Array.from({ length: 1 + (n % 3) }, () => `k${n}`),
  ).flat()
  let done = 0

  async function ask(key: string): Promise<void> {
    for (let attempt = 0; attempt < 60; attempt++) {
      const answer = await sendKeyed(urlOf(done + attempt), key)
      if (answer === 'refused') {
        await pause(50)
        continue
      }
      heard.set(key, [...(heard.get(key) ?? []), answer])
      if (answer.outcome === 'accepted') break
      await pause(100)
    }
    done += 1
  }

  return {
    heard,
    reached: (part) =>
      expect.poll(() => done >= part * calls.length, { timeout: 600_000, interval: 10 }).toBe(true),
    run: () => inParallel(calls, 24, ask),
  }
}

/**
 * Sends `keys` mails through two servers that drop at every phase and a service that is killed `kills` times; then holds
 * what arrived against what was answered.
 */
export async function soak({ keys, kills }: { keys: number; kills: number }): Promise<void> {
  const servers = await startPair()
  misbehave(servers)
  const env = await environmentOf(servers, { SEND_DEADLINE: '2s' })
  let service = await startService('herald-smtp', env)
  onTestFinished(() => service.kill())
  const load = createLoad(keys, () => service.url)

  async function disturb(): Promise<void> {
    for (let kill = 1; kill <= kills; kill++) {
      await load.reached(kill / (kills + 1))
      await service.kill()
      service = await startService('herald-smtp', env)
    }
  }

  await Promise.all([load.run(), disturb()])
  judge(servers, load.heard, keys)
  expect(await service.stop()).toBe(0)
}

/** The same on two replicas, whose ways to one Redis break `faults` times, each in another manner. */
export async function soakReplicas({ keys, faults }: { keys: number; faults: number }): Promise<void> {
  const [servers, redis] = await Promise.all([startPair(), startRedis()])
  onTestFinished(() => redis.stop())
  misbehave(servers)
  const env = await environmentOf(servers, { SEND_DEADLINE: '2s', SQLITE_PATH: '' })
  const replicas = await Promise.all(
    [0, 1].map(async () => {
      const proxy = await createFaultProxy(redis)
      onTestFinished(() => proxy.close())
      const addresses = { PORT: String(await freePort()), REDIS_ADDR: `127.0.0.1:${proxy.port}` }
      const service = await startService('herald-smtp', { ...env, ...addresses })
      onTestFinished(() => service.kill())
      return { proxy, service }
    }),
  )
  const load = createLoad(keys, (call) => replicas[call % 2]!.service.url)

  async function disturb(): Promise<void> {
    for (let fault = 1; fault <= faults; fault++) {
      await load.reached(fault / (faults + 1))
      await breakWay(replicas[fault % 2]!.proxy, redis, fault % 4)
    }
  }

  await Promise.all([load.run(), disturb()])
  judge(servers, load.heard, keys)
  for (const { service } of replicas) expect(await service.stop()).toBe(0)
}

async function breakWay(proxy: FaultProxy, redis: RedisServer, manner: number): Promise<void> {
  if (manner === 0) return proxy.cut()
  if (manner === 1) return proxy.swallowReplies(1)
  const paused = manner === 2 ? proxy : redis
  paused.pause()
  await pause(700)
  paused.resume()
}

function misbehave([a, b]: readonly [SmtpServer, SmtpServer]): void {
  a.on('greeting', 'drop', { every: 5 })
  a.on('mail', { code: 421, text: '4.3.2 Restarting', drop: true }, { every: 17 })
  a.on('rcpt', 'drop', { every: 13 })
  a.on('data', 'drop', { every: 19 })
  a.on('body', 'drop', { every: 23 })
  b.on('rcpt', { code: 451, text: '4.3.0 Trouble' }, { every: 11 })
  b.on('body', 'drop', { every: 29 })
}

/** Every 200 was accepted; more than one mail for a key only after an unknown outcome, and then under one Message-ID. */
function judge(servers: readonly SmtpServer[], heard: ReadonlyMap<string, Heard[]>, keys: number): void {
  const received = receivedBy(servers)
  expect(heard.size).toBe(keys)
  for (const [key, answers] of heard) {
    const ids = received.get(key) ?? []
    const accepted = answers.filter(({ outcome }) => outcome === 'accepted')
    expect({ key, accepted: accepted.length > 0 }).toEqual({ key, accepted: true })
    for (const { messageId } of accepted) expect(ids).toContain(messageId)
    const wasUnknown = answers.some(({ outcome }) => outcome === 'unknown')
    if (ids.length > 1) expect({ key, wasUnknown }).toEqual({ key, wasUnknown: true })
    expect({ key, ids: new Set(ids).size }).toEqual({ key, ids: 1 })
  }
  expect([...received.keys()].filter((key) => !heard.has(key))).toEqual([])
}

/** Runs the work over all items, so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
