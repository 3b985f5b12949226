import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startService, startSmtpServer, type SmtpServer } from '@herald/testing'
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

/**
 * Sends `keys` mails, each as one to three twins that ask again until they hear 200, through two servers that drop at
 * every phase and a service that is killed `kills` times; then holds what arrived against what was answered.
 */
export async function soak({ keys, kills }: { keys: number; kills: number }): Promise<void> {
  const servers = await startPair()
  misbehave(servers)
  const env = await environmentOf(servers, { SEND_DEADLINE: '2s' })
  const heard = new Map<string, Heard[]>()
  let done = 0
  let finished = false
  let service = await startService('herald-smtp', env)
  onTestFinished(() => service.kill())

  async function ask(key: string): Promise<void> {
    for (let attempt = 0; attempt < 60; attempt++) {
      const answer = await sendKeyed(service.url, key)
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

  async function disturb(total: number): Promise<void> {
    for (let kill = 1; kill <= kills && !finished; kill++) {
      await expect
        .poll(() => finished || done >= (kill * total) / (kills + 1), { timeout: 600_000 })
        .toBe(true)
      await service.kill()
      service = await startService('herald-smtp', env)
    }
  }

  const calls = Array.from({ length: keys }, (_, n) =>
    Array.from({ length: 1 + (n % 3) }, () => `k${n}`),
  ).flat()
  const disturbing = disturb(calls.length)
  await inParallel(calls, 24, ask)
  finished = true
  await disturbing
  judge(servers, heard, keys)
  expect(await service.stop()).toBe(0)
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
function judge(servers: readonly SmtpServer[], heard: Map<string, Heard[]>, keys: number): void {
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
