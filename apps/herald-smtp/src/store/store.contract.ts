import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal, type Answer, type TraceEntry } from '../domain/answer.ts'
import type { Claim, SmtpStore } from './store.ts'

const start = 1_800_000_000_000
const sent: Answer = { ok: true, messageId: 'm@x.example', upstream: 'main' }
const notSent = refusal('upstream_down', 'not_sent')
const unknown = refusal('timeout_unknown', 'unknown')

/** What both engines promise. `open` gives two handles on the same store. */
export function describeStore(engine: string, open: () => Promise<[SmtpStore, SmtpStore]>): void {
  describe(`the ${engine} store`, () => {
    let stores: [SmtpStore, SmtpStore]
    let store: SmtpStore
    let id = 0
    beforeEach(async () => {
      stores = await open()
      store = stores[0]
      id++
    })
    afterEach(async () => {
      await Promise.all(stores.map((each) => each.close()))
    })

    const claim = (changes: Partial<Claim> = {}): Claim => ({
      id: `call-${id}`,
      fingerprint: 'k1.same',
      owner: 'first',
      messageId: 'first@x.example',
      leaseUntil: start + 6_000,
      expiresAt: start + 300_000,
      once: false,
      ...changes,
    })
    const second = (changes: Partial<Claim> = {}) =>
      claim({ owner: 'second', messageId: 'second@x.example', leaseUntil: start + 12_000, ...changes })
    const settlement = (owner: string, answer: Answer) => ({
      id: `call-${id}`,
      owner,
      answer,
      expiresAt: start + 300_000,
      now: start,
    })

    it('gives one claim to twenty parallel twins on two handles', async () => {
      const twins = Array.from({ length: 20 }, (_, n) =>
        stores[n % 2]!.claim(claim({ owner: `twin-${n}` }), start),
      )
      const outcomes = (await Promise.all(twins)).map(({ outcome }) => outcome)
      expect(outcomes.filter((outcome) => outcome === 'claimed')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'sending')).toHaveLength(19)
    })

    it('answers a twin on the other handle once the first has settled', async () => {
      await store.claim(claim(), start)
      expect(await stores[1].look(`call-${id}`, start)).toEqual({
        outcome: 'sending',
        messageId: 'first@x.example',
      })
      expect(await store.settle(settlement('first', sent))).toBe(true)
      expect(await stores[1].look(`call-${id}`, start)).toEqual({ outcome: 'settled', answer: sent })
      expect(await stores[1].claim(second(), start)).toEqual({ outcome: 'settled', answer: sent })
    })

    it('tells another content under the same key apart, before and after the mail', async () => {
      await store.claim(claim(), start)
      const other = second({ fingerprint: 'k1.other' })
      expect(await store.claim(other, start)).toEqual({ outcome: 'conflict' })
      await store.settle(settlement('first', sent))
      expect(await store.claim(other, start)).toEqual({ outcome: 'conflict' })
      await expect(store.claim({ ...other, fingerprint: 'k2.other' }, start)).resolves.toEqual({
        outcome: 'settled',
        answer: sent,
      })
    })

    it('frees the key at once when nothing was sent, and still shows why', async () => {
      await store.claim(claim(), start)
      await store.settle(settlement('first', notSent))
      expect(await store.look(`call-${id}`, start)).toEqual({ outcome: 'settled', answer: notSent })
      const other = second({ fingerprint: 'k1.other' })
      expect(await store.claim(other, start)).toEqual({ outcome: 'claimed', messageId: 'second@x.example' })
      expect(await store.look(`call-${id}`, start)).toEqual({
        outcome: 'sending',
        messageId: 'second@x.example',
      })
    })

    it('lets the next call send under the first Message-ID after an unknown outcome', async () => {
      await store.claim(claim(), start)
      await store.settle(settlement('first', unknown))
      expect(await store.claim(second(), start)).toEqual({ outcome: 'claimed', messageId: 'first@x.example' })
      expect(await store.claim(claim({ owner: 'third' }), start)).toEqual({ outcome: 'sending' })
    })

    it('takes an expired lease for an unknown outcome', async () => {
      await store.claim(claim(), start)
      expect(await store.claim(second(), start + 5_999)).toEqual({ outcome: 'sending' })
      expect(await store.look(`call-${id}`, start + 6_000)).toEqual({
        outcome: 'lapsed',
        messageId: 'first@x.example',
      })
      expect(await store.claim(second(), start + 6_000)).toEqual({
        outcome: 'claimed',
        messageId: 'first@x.example',
      })
    })

    it('gives an expired lease to one of twenty callers', async () => {
      await store.claim(claim(), start)
      const callers = Array.from({ length: 20 }, (_, n) =>
        stores[n % 2]!.claim(second({ owner: `caller-${n}` }), start + 6_000),
      )
      const outcomes = (await Promise.all(callers)).map(({ outcome }) => outcome)
      expect(outcomes.filter((outcome) => outcome === 'claimed')).toHaveLength(1)
    })

    it('lets an owner whose lease was taken over settle nothing', async () => {
      await store.claim(claim(), start)
      await store.claim(second(), start + 6_000)
      expect(await store.settle(settlement('first', notSent))).toBe(false)
      expect(await store.look(`call-${id}`, start + 6_000)).toMatchObject({ outcome: 'sending' })
      expect(await store.settle(settlement('second', sent))).toBe(true)
      expect(await store.settle(settlement('second', notSent))).toBe(false)
      expect(await store.claim(claim(), start + 6_000)).toEqual({ outcome: 'settled', answer: sent })
    })

    it('forgets by the clock it is given', async () => {
      await store.claim(claim(), start)
      await store.settle(settlement('first', sent))
      expect(await store.claim(second(), start + 299_999)).toEqual({ outcome: 'settled', answer: sent })
      expect(await store.look(`call-${id}`, start + 300_000)).toEqual({ outcome: 'free' })
      expect(await store.claim(second({ expiresAt: start + 600_000 }), start + 300_000)).toEqual({
        outcome: 'claimed',
        messageId: 'second@x.example',
      })
    })

    it.each([sent, notSent, unknown])('gives what may happen once no second claim: %j', async (answer) => {
      await store.claim(claim({ once: true }), start)
      await store.settle(settlement('first', answer))
      expect(await store.claim(second({ once: true }), start + 6_000)).toEqual({ outcome: 'settled', answer })
    })

    it('gives what may happen once no second claim when the first was never settled', async () => {
      await store.claim(claim({ once: true }), start)
      expect(await store.claim(second({ once: true }), start)).toEqual({ outcome: 'sending' })
      expect(await store.claim(second({ once: true }), start + 6_000)).toEqual({ outcome: 'unknown' })
    })

    const entry = (changes: Partial<TraceEntry> = {}): TraceEntry => ({
      messageId: `first-${id}@x.example`,
      outcome: 'accepted',
      receivedAt: start,
      settledAt: start + 100,
      upstream: 'main',
      ...changes,
    })
    const note = (noted: TraceEntry, now = start) =>
      store.note({ call: `note-${id}`, entry: noted, expiresAt: start + 60_000 }, now)
    const find = (now = start) => stores[1].find({ call: `note-${id}` }, now)

    it('shows on the other handle what became of a mail, until its time is over', async () => {
      expect(await find()).toBeUndefined()
      await note(entry())
      expect(await find(start + 59_999)).toEqual(entry())
      expect(await find(start + 60_000)).toBeUndefined()
    })

    it('knows a mail as accepted once it was, whatever is noted of it later', async () => {
      await note(entry({ outcome: 'unknown', settledAt: start + 50 }))
      await note(entry())
      await note(entry({ outcome: 'not_sent', reason: 'busy', settledAt: start + 200 }))
      expect(await find()).toEqual(entry())
    })

    it('shows the latest of several mails under one key', async () => {
      const later = entry({
        messageId: `second-${id}@x.example`,
        outcome: 'not_sent',
        settledAt: start + 200,
      })
      await note(later)
      await note(entry())
      expect(await find()).toEqual(later)
      await note(entry({ messageId: `third-${id}@x.example`, settledAt: start + 300 }))
      expect(await find()).toMatchObject({ messageId: `third-${id}@x.example` })
      expect(await stores[1].find({ message: entry().messageId }, start)).toEqual(entry())
    })

    it('finds a mail without a key by its Message-ID, and by nothing else', async () => {
      await store.note({ entry: entry(), expiresAt: start + 60_000 }, start)
      expect(await stores[1].find({ message: entry().messageId }, start)).toEqual(entry())
      expect(await stores[1].find({ call: entry().messageId }, start)).toBeUndefined()
      expect(await stores[1].find({ call: `message:${entry().messageId}` }, start)).toBeUndefined()
    })

    it('notes anew what it has forgotten', async () => {
      await note(entry({ settledAt: start + 500 }))
      await note(entry({ outcome: 'unknown' }), start + 60_000)
      expect(await find()).toMatchObject({ outcome: 'unknown' })
    })

    it('settles nothing that was never claimed', async () => {
      expect(await store.settle(settlement('first', sent))).toBe(false)
      expect(await store.look(`call-${id}`, start)).toEqual({ outcome: 'free' })
    })
  })
}
