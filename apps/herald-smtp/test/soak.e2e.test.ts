import { startService } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  environmentOf,
  inParallel,
  receivedBy,
  sendKeyed,
  soak,
  soakReplicas,
  startPair,
  type Heard,
} from './soak.fixture.ts'

describe('herald-smtp under load', () => {
  it('sends one mail per key through twins, drops, kills and restarts', { timeout: 120_000 }, () =>
    soak({ keys: 60, kills: 2 }),
  )

  it('sends one mail per key on two replicas whose Redis comes and goes', { timeout: 120_000 }, () =>
    soakReplicas({ keys: 40, faults: 4 }),
  )

  it('loses no reply when it is told to stop', { timeout: 60_000 }, async () => {
    const servers = await startPair()
    servers[0].on('body', { delayMs: 30 })
    const service = await startService('herald-smtp', await environmentOf(servers))
    onTestFinished(() => service.kill())
    const heard = new Map<string, Heard | 'refused'>()
    const keys = Array.from({ length: 400 }, (_, n) => `k${n}`)
    const sending = inParallel(
      keys,
      32,
      async (key) => void heard.set(key, await sendKeyed(service.url, key)),
    )
    await expect.poll(() => heard.size, { interval: 5, timeout: 30_000 }).toBeGreaterThan(60)
    const exit = service.stop()
    await sending
    expect(await exit).toBe(0)
    const answered = [...heard].flatMap(([key, answer]) =>
      answer !== 'refused' && answer.outcome === 'accepted' ? [key] : [],
    )
    expect(answered.length).toBeGreaterThan(60)
    expect(answered.length).toBeLessThan(400)
    expect([...receivedBy(servers).keys()].toSorted()).toEqual(answered.toSorted())
  })

  it(
    'goes on through the second upstream while the first one is down, and comes back',
    { timeout: 60_000 },
    async () => {
      const servers = await startPair()
      const service = await startService('herald-smtp', await environmentOf(servers))
      onTestFinished(() => service.kill())
      const send = (prefix: string) =>
        Promise.all(Array.from({ length: 12 }, (_, n) => sendKeyed(service.url, `${prefix}${n}`)))
      const accepted = Array.from({ length: 12 }, () => expect.objectContaining({ status: 200 }))
      servers[0].on('greeting', 'silence')
      expect(await send('down')).toEqual(accepted)
      expect(servers[1].messages).toHaveLength(12)
      servers[0].behave()
      await expect
        .poll(() => metric(service.url, 'herald_smtp_breaker_state{upstream="s0"}'), { timeout: 30_000 })
        .toBe(1)
      expect(await sendKeyed(service.url, 'back')).toMatchObject({ status: 200 })
      expect(servers[0].messages).toHaveLength(1)
      expect(await metric(service.url, 'herald_smtp_breaker_state{upstream="s0"}')).toBe(0)
    },
  )
})

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(name.replace('}', '')))
  return Number(line?.split(' ').at(-1))
}
