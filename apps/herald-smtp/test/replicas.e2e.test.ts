import {
  createFaultProxy,
  startRedis,
  startService,
  startSmtpServer,
  type RunningService,
  type SmtpServer,
} from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'

const apiKey = 'a-key-of-the-tests-0123456789abcdef'
const deadlineMs = 1_000

/** Two replicas on one Redis, the first of them by way of a proxy. */
async function replicas() {
  const [server, redis] = await Promise.all([startSmtpServer(), startRedis()])
  onTestFinished(() => server.stop())
  onTestFinished(() => redis.stop())
  const proxy = await createFaultProxy(redis)
  onTestFinished(() => proxy.close())
  const launch = async (port: number) => {
    const service = await startService('herald-smtp', {
      ENVIRONMENT: 'test',
      API_KEY: apiKey,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(server.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      SEND_DEADLINE: `${deadlineMs}ms`,
      REDIS_ADDR: `127.0.0.1:${port}`,
    })
    onTestFinished(() => service.kill())
    return service
  }
  const [one, other] = await Promise.all([launch(proxy.port), launch(redis.port)])
  return { server, redis, proxy, one, other }
}

async function post({ url }: RunningService, key: string) {
  const response = await fetch(`${url}/v1/send`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': apiKey, 'Idempotency-Key': key },
    body: JSON.stringify({ to: `${key}@example.com`, subject: 'Login', body: 'Code 123456' }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** What a replica says of the mail of that key. */
async function outcomeOf({ url }: RunningService, key: string): Promise<unknown> {
  const response = await fetch(`${url}/v1/messages/${key}`, { headers: { 'X-API-Key': apiKey } })
  return ((await response.json()) as Record<string, unknown>)['outcome']
}

const messageIdsOf = ({ messages }: SmtpServer) =>
  messages.map(({ raw }) => /^Message-ID: <(.*)>\r$/m.exec(raw.toString())?.[1])

type Pair = Awaited<ReturnType<typeof replicas>>
type Fault = [name: string, strike: (pair: Pair) => void, mend: (pair: Pair) => void]

const nowhere = { host: '127.0.0.1', port: 1 }
const unreachable: Fault = [
  'it cannot be reached',
  ({ proxy }) => {
    proxy.redirect(nowhere)
    proxy.cut()
  },
  ({ proxy, redis }) => proxy.redirect(redis),
]
const faults: readonly Fault[] = [
  ['its connections are cut', ({ proxy }) => proxy.cut(), () => {}],
  ['the replies to what follows are lost', ({ proxy }) => proxy.swallowReplies(1), () => {}],
  ['it does not answer', ({ redis }) => redis.pause(), ({ redis }) => redis.resume()],
  ['the way to it hangs', ({ proxy }) => proxy.pause(), ({ proxy }) => proxy.resume()],
  unreachable,
]

describe('a fault of Redis while a mail is on its way', () => {
  it.each(faults)('makes no second mail of an accepted one: %s', async (_, strike, mend) => {
    const pair = await replicas()
    const { server, one, other } = pair
    server.on('body', { delayMs: 200 }, { times: 1 })
    const sending = post(one, 'k')
    await expect.poll(() => server.count('DATA'), { interval: 5 }).toBe(1)
    strike(pair)
    const first = await sending
    expect(first.status).toBe(200)
    expect([200, 503, 504]).toContain((await post(other, 'k')).status)
    mend(pair)
    await expect
      .poll(() => post(other, 'k'), { timeout: 10_000 })
      .toMatchObject({ status: 200, body: { message_id: first.body['message_id'] } })
    await expect.poll(() => outcomeOf(other, 'k'), { timeout: 5_000 }).toBe('accepted')
    expect(messageIdsOf(server)).toEqual([first.body['message_id']])
  })

  it('makes no 200 of a mail whose outcome is unknown: the next call with its key sends it again, as the same one', async () => {
    const pair = await replicas()
    const { server, one, other } = pair
    const [, strike, mend] = unreachable
    server.on('body', 'silence', { times: 1 })
    const sending = post(one, 'k')
    await expect.poll(() => server.count('DATA'), { interval: 5 }).toBe(1)
    strike(pair)
    expect(await sending).toMatchObject({ status: 504, body: { outcome: 'unknown' } })
    mend(pair)
    const answers = []
    do answers.push(await post(other, 'k'))
    while (answers.at(-1)?.status !== 200)
    for (const { status, body } of answers.slice(0, -1))
      expect([status, body['outcome']]).toEqual([504, 'unknown'])
    expect(server.count('DATA')).toBe(2)
    expect(messageIdsOf(server)).toEqual([answers.at(-1)?.body['message_id']])
  })

  it('makes no twin send: one that waits for the other replica hears that the outcome is unknown', async () => {
    const pair = await replicas()
    const { server, redis, one, other } = pair
    server.on('body', { delayMs: 200 }, { times: 1 })
    const sending = post(one, 'k')
    await expect.poll(() => server.count('DATA'), { interval: 5 }).toBe(1)
    const waiting = post(other, 'k')
    expect(await outcomeOf(other, 'k')).toBe('sending')
    redis.pause()
    expect((await sending).status).toBe(200)
    expect(['unknown', 'not_sent']).toContain((await waiting).body['outcome'])
    redis.resume()
    expect(server.messages).toHaveLength(1)
  })

  it('lets nothing pass for new once Redis has lost what it knew', async () => {
    const { server, redis, one, other } = await replicas()
    expect((await post(one, 'k')).status).toBe(200)
    await redis.restart()
    for (const replica of [one, other]) {
      await expect
        .poll(() => post(replica, 'k'), { timeout: 5_000 })
        .toMatchObject({ status: 503, body: { error_code: 'provider_down', outcome: 'not_sent' } })
    }
    expect(server.messages).toHaveLength(1)
  })
})

describe('a replica killed while it sends', () => {
  it('before the message has left: nobody hears 200 before one mail has gone out', async () => {
    const { server, one, other } = await replicas()
    server.on('rcpt', 'silence', { times: 1 })
    const cutOff = post(one, 'k').catch(() => 'cut off')
    await expect.poll(() => server.count('RCPT'), { interval: 5 }).toBe(1)
    await one.kill()
    expect(await cutOff).toBe('cut off')
    expect(await post(other, 'k')).toMatchObject({ status: 504, body: { outcome: 'unknown' } })
    await expect.poll(() => post(other, 'k'), { timeout: 5_000 }).toMatchObject({ status: 200 })
    expect((await post(other, 'k')).body['message_id']).toBe(messageIdsOf(server)[0])
    expect(server.messages).toHaveLength(1)
  })
})
