import { describe, expect, it } from 'vitest'
import type { Delivery } from './delivery.ts'
import { createProtection, type Buckets } from './protection.ts'
import { parseRecipient } from './recipient.ts'
import { createSending } from './sending.ts'

const recipient = parseRecipient('u@x.example')!
const mail = { caller: 'herald', recipient, content: { subject: 'Login', text: 'Code', html: '' } }
const silentStore: Buckets = { take: () => new Promise(() => {}), giveBack: () => Promise.resolve() }
const brokenStore: Buckets = { ...silentStore, take: () => Promise.reject(new Error('down')) }

function sendingOver(buckets: Buckets) {
  const faults: unknown[] = []
  let delivered = 0
  const deliver = async (): Promise<Delivery> => {
    delivered++
    return { ok: true, upstream: 'main' }
  }
  const sendMail = createSending(
    {
      protection: createProtection(
        { buckets, digestAddress: (text) => text, now: Date.now },
        { perRecipient: 10 },
      ),
      deliver,
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
})
