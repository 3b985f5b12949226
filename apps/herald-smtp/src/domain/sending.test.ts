import { describe, expect, it } from 'vitest'
import type { Delivery } from './delivery.ts'
import { createMessageBuilder } from './message.ts'
import { createProtection, type Buckets, type Limits } from './protection.ts'
import { parseRecipient } from './recipient.ts'
import { createSending } from './sending.ts'

const recipient = parseRecipient('u@x.example')!
const content = { subject: 'Login', text: 'Code', html: '' }
const mail = { caller: 'herald', recipient, toDigest: recipient.address, content }
const silentStore: Buckets = { take: () => new Promise(() => {}), giveBack: () => Promise.resolve() }
const brokenStore: Buckets = { ...silentStore, take: () => Promise.reject(new Error('down')) }

function sendingOver(buckets: Buckets, limits: Limits = { perRecipient: 10 }) {
  const faults: unknown[] = []
  let delivered = 0
  const deliver = async (): Promise<Delivery> => {
    delivered++
    return { ok: true, upstream: 'main' }
  }
  const sendMail = createSending(
    {
      protection: createProtection({ buckets, digestAddress: (text) => text, now: Date.now }, limits),
      deliver,
      buildMessage: createMessageBuilder(),
      now: Date.now,
      onFault: (fault) => faults.push(fault),
    },
    {
      originOf: () => ({
        sender: { address: 'n@h.example', domain: 'h.example' },
        envelopeFrom: 'n@h.example',
      }),
    },
  )
  return { sendMail, faults, delivered: () => delivered }
}

describe('sending', () => {
  it('sends nothing past a limit that cannot be read, and says so before the deadline', async () => {
    for (const buckets of [silentStore, brokenStore]) {
      const { sendMail, delivered } = sendingOver(buckets)
      const started = performance.now()
      expect(await sendMail(mail, 'm@h.example', Date.now() + 100)).toMatchObject({
        reason: 'unavailable',
        outcome: 'not_sent',
      })
      expect(performance.now() - started).toBeLessThan(300)
      expect(delivered()).toBe(0)
    }
  })

  it('counts a mail against no budget when it came too late for it, or when another could not be read', async () => {
    const { promise: lateGrant, resolve: grant } = Promise.withResolvers<{ ok: true }>()
    const balances = new Map<string, number>()
    const move = (name: string, by: number) => balances.set(name, (balances.get(name) ?? 0) + by)
    const slowStore: Buckets = {
      async take(name) {
        await lateGrant
        move(name, 1)
        if (name.startsWith('domain:')) throw new Error('down')
        return { ok: true }
      },
      giveBack: async (name) => void move(name, -1),
    }
    const { sendMail, faults } = sendingOver(slowStore)
    expect(await sendMail(mail, 'm@h.example', Date.now() + 20)).toMatchObject({ reason: 'unavailable' })
    expect(faults).toHaveLength(1)
    grant({ ok: true })
    await expect.poll(() => balances.get('recipient:u@x.example')).toBe(0)

    const both = sendingOver(slowStore, { perRecipient: 10, perDomain: 10 })
    expect(await both.sendMail(mail, 'm@h.example', Date.now() + 500)).toMatchObject({
      reason: 'unavailable',
    })
    expect(balances.get('recipient:u@x.example')).toBe(0)
  })
})
