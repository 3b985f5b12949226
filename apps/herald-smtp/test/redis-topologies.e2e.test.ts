import { redisTopologies, refusedCommands, runService, startService, startSmtpServer } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'

const apiKey = 'api-key-of-the-tests-1c9f03b7a5e84d26'

describe.each(redisTopologies.filter(({ skip }) => !skip))('on $name', ({ start }) => {
  it('twins are one mail, a recipient has one limit, and what became of a mail is known', async () => {
    const [redis, smtp] = await Promise.all([start('herald-smtp'), startSmtpServer()])
    onTestFinished(redis.stop)
    onTestFinished(() => smtp.stop())
    const env = {
      ...redis.env,
      ENVIRONMENT: 'test',
      API_KEY: apiKey,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(smtp.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      RATE_LIMIT_PER_RECIPIENT: '3',
    }
    const services = await Promise.all([1, 2].map(() => startService('herald-smtp', env)))
    const call = async (n: number, path: string, body?: unknown) => {
      const response = await fetch(`${services[n % 2]?.url}${path}`, {
        headers: { 'Content-Type': 'application/json', 'X-API-Key': apiKey },
        ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    const send = (n: number, to: string, key: string) =>
      call(n, '/v1/send', { to, subject: 'Code', body: '123456', idempotency_key: key })

    const twins = await Promise.all(
      Array.from({ length: 32 }, (_, n) => send(n, `user${n >> 2}@herald.example`, `key ${n >> 2}`)),
    )
    expect(new Set(twins.map(({ status }) => status))).toEqual(new Set([200]))
    expect(smtp.messages).toHaveLength(8)
    const id = String(twins[0]?.body['message_id'])
    expect((await call(1, `/v1/messages/${encodeURIComponent(id)}`)).status).toBe(200)

    const spent = await Promise.all(
      Array.from({ length: 8 }, (_, n) => send(n, 'one@herald.example', `n${n}`)),
    )
    expect(spent.filter(({ status }) => status === 200)).toHaveLength(3)
    expect(spent.filter(({ status }) => status === 429)).toHaveLength(5)

    for (const words of [
      ['config', 'check'],
      ['store', 'confirm'],
    ])
      expect(await runService('herald-smtp', words, env)).toMatchObject({ code: 0 })
    expect(await Promise.all(services.map((service) => service.stop()))).toEqual([0, 0])
    for (const server of redis.servers) expect(await refusedCommands(server)).toEqual([])
  }, 60_000)
})
