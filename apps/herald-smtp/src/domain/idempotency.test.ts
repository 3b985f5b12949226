import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { openSmtpStore } from '../store/open-smtp-store.ts'
import type { SmtpStore } from '../store/store.ts'
import { refusal, type Answer } from './answer.ts'
import { createIdempotency, type Call, type Send } from './idempotency.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-idempotency-'))
afterAll(() => rmSync(folder, { recursive: true }))

const openStore = async () => {
  const path = join(folder, 'store.sqlite')
  const opened = await openSmtpStore(
    { engine: 'sqlite', path },
    { now: Date.now, randomBytes, logger: silent },
  )
  return opened.calls
}

const notSent = refusal('upstream_down', 'not_sent')
const unknown = refusal('timeout_unknown', 'unknown')
const down = () => Promise.reject(new Error('the store is down'))

describe('idempotency', async () => {
  const store = await openStore()
  const otherStore = await openStore()
  let clockMs = 0
  const now = () => Date.now() + clockMs
  let faults: string[] = []
  const replica = (changes: Partial<SmtpStore> = {}, base = store) =>
    createIdempotency(
      { store: { ...base, ...changes }, now, randomBytes, onFault: (verb) => faults.push(verb) },
      { ttlMs: 300_000 },
    )

  let mails: string[] = []
  let key = ''
  beforeEach(() => {
    mails = []
    faults = []
    key = randomBytes(8).toString('hex')
    clockMs = 0
  })
  const call = (changes: Partial<Call> = {}): Call => ({
    caller: 'herald',
    key,
    fingerprint: 'k.same',
    messageId: `${randomBytes(4).toString('hex')}@x.example`,
    deadline: now() + 2_000,
    ...changes,
  })
  const mail: Send = async (messageId) => {
    mails.push(messageId)
    return { ok: true, messageId, upstream: 'main' }
  }
  const slowMail =
    (ms: number): Send =>
    async (messageId, deadline) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      return mail(messageId, deadline)
    }
  const failing =
    (answer: Answer): Send =>
    async (messageId) => {
      mails.push(messageId)
      return answer
    }

  it('gives twenty parallel twins on two replicas one mail and one answer', async () => {
    const replicas = [replica(), replica({}, otherStore)]
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => replicas[n % 2]!.run(call(), slowMail(150))),
    )
    expect(mails).toHaveLength(1)
    expect(new Set(answers.map((answer) => answer.ok && answer.messageId))).toEqual(new Set(mails))
  })

  it('shares a failure with the twins that waited, on both replicas, and then sends anew', async () => {
    const replicas = [replica(), replica({}, otherStore)]
    const slowFailure: Send = async (messageId, deadline) => {
      await slowMail(150)(messageId, deadline)
      return notSent
    }
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => replicas[n % 2]!.run(call(), slowFailure)),
    )
    expect(mails).toHaveLength(1)
    expect(answers).toEqual(Array.from({ length: 6 }, () => notSent))
    expect(await replicas[1]!.run(call(), mail)).toMatchObject({ ok: true })
  })

  it('answers a repeated key again without a mail', async () => {
    const first = await replica().run(call(), mail)
    expect(await replica().run(call(), mail)).toEqual(first)
    expect(mails).toHaveLength(1)
  })

  it('keeps the keys of two callers apart', async () => {
    await replica().run(call(), mail)
    await replica().run(call({ caller: 'other' }), mail)
    expect(mails).toHaveLength(2)
  })

  it('refuses another content under the key of a mail in flight and of one sent', async () => {
    const { run } = replica()
    const first = run(call(), slowMail(50))
    const conflict = { ok: false, reason: 'idempotency_conflict' }
    expect(await run(call({ fingerprint: 'k.other' }), mail)).toMatchObject(conflict)
    await first
    expect(await run(call({ fingerprint: 'k.other' }), mail)).toMatchObject(conflict)
    expect(mails).toHaveLength(1)
  })

  it('sends once more under the same Message-ID after an unknown outcome', async () => {
    const { run } = replica()
    expect(await run(call({ messageId: 'a@x.example' }), failing(unknown))).toEqual(unknown)
    expect(await run(call({ messageId: 'b@x.example' }), mail)).toMatchObject({ messageId: 'a@x.example' })
    await run(call(), mail)
    expect(mails).toEqual(['a@x.example', 'a@x.example'])
  })

  it('counts the lease of a process that died as an unknown outcome', async () => {
    await replica({ settle: down }).run(call({ messageId: 'a@x.example' }), mail)
    clockMs = 4_001
    expect(await replica({}, otherStore).run(call({ messageId: 'b@x.example' }), mail)).toMatchObject({
      messageId: 'a@x.example',
    })
  })

  it('answers a twin at its own deadline that the outcome is unknown, and mails nothing for it', async () => {
    const begun = Promise.withResolvers<void>()
    const first = replica().run(call(), (messageId, deadline) => {
      begun.resolve()
      return slowMail(500)(messageId, deadline)
    })
    await begun.promise
    const started = Date.now()
    const [near, far] = await Promise.all([
      replica({}, otherStore).run(call({ deadline: now() + 200 }), mail),
      replica().run(call({ deadline: now() + 200 }), mail),
    ])
    expect(Date.now() - started).toBeLessThan(400)
    expect([near, far]).toEqual([unknown, unknown])
    await first
    expect(mails).toHaveLength(1)
  })

  it('sends nothing for a twin that sees the lease run out: the next call does', async () => {
    await replica({ settle: down }).run(call({ messageId: 'a@x.example', deadline: now() + 200 }), mail)
    clockMs = 2_000
    expect(await replica({}, otherStore).run(call(), mail)).toEqual(unknown)
    expect(await replica({}, otherStore).run(call(), mail)).toMatchObject({ messageId: 'a@x.example' })
    expect(mails).toHaveLength(2)
  })

  it('sends nothing when the store is down before the claim', async () => {
    expect(await replica({ claim: down }).run(call(), mail)).toMatchObject({ reason: 'unavailable' })
    expect(mails).toEqual([])
    expect(faults).toEqual(['claim'])
  })

  it('sends nothing when the store is silent, answers in time, and gives a late claim back', async () => {
    const late = Promise.withResolvers<void>()
    const slow = replica({ claim: (...args) => late.promise.then(() => store.claim(...args)) })
    const started = Date.now()
    const refused = await slow.run(call({ deadline: now() + 150 }), mail)
    expect(refused).toMatchObject({ reason: 'unavailable' })
    expect(Date.now() - started).toBeLessThan(300)
    late.resolve()
    expect(await replica().run(call(), mail)).toMatchObject({ ok: true })
    expect(mails).toHaveLength(1)
  })

  it('tells of a mail that went out although the store is down, and leaves its lease standing', async () => {
    expect(await replica({ settle: down }).run(call(), mail)).toMatchObject({ ok: true })
    expect(faults).toEqual(['settle'])
    expect(await replica().run(call({ deadline: now() + 200 }), mail)).toEqual(unknown)
    expect(mails).toHaveLength(1)
  })

  it('tells the store again while the lease stands, so that a short outage makes no second mail', async () => {
    let isAway = true
    const settle: SmtpStore['settle'] = (settlement) => (isAway ? down() : store.settle(settlement))
    const first = await replica({ settle }).run(call(), mail)
    const twin = replica({}, otherStore).run(call(), mail)
    isAway = false
    expect(await twin).toEqual(first)
    clockMs = 10_000
    expect(await replica({}, otherStore).run(call(), mail)).toEqual(first)
    expect(mails).toHaveLength(1)
    expect(faults).toEqual(['settle'])
  })

  it('answers in time when the store is silent after the mail', async () => {
    const started = Date.now()
    const silentStore = replica({ settle: () => new Promise(() => {}) })
    expect(await silentStore.run(call({ deadline: now() + 200 }), mail)).toMatchObject({ ok: true })
    expect(Date.now() - started).toBeLessThan(400)
  })

  it('needs no store for a call without a key', async () => {
    const { key: _, ...keyless } = call()
    expect(await replica({ claim: down, settle: down }).run(keyless, mail)).toMatchObject({ ok: true })
    expect(faults).toEqual([])
  })

  describe('of a signed request', () => {
    const signature = () => randomBytes(32)

    it('gives a captured request the first answer again, whatever its key, and mails nothing', async () => {
      const captured = signature()
      const first = await replica().run(call({ signature: captured }), mail)
      const { key: _, ...keyless } = call({ signature: captured })
      for (const replay of [
        call({ signature: captured }),
        call({ signature: captured, key: 'x' }),
        keyless,
      ]) {
        expect(await replica().run({ ...replay, caller: 'same secret, other id' }, mail)).toEqual(first)
      }
      expect(mails).toHaveLength(1)
    })

    it('mails once when twenty copies with keys of their own arrive at once on two replicas', async () => {
      const captured = signature()
      const replicas = [replica(), replica({}, otherStore)]
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          replicas[n % 2]!.run(call({ signature: captured, key: `key-${n}-${key}` }), slowMail(100)),
        ),
      )
      expect(mails).toHaveLength(1)
      expect(answers.every((answer) => answer.ok)).toBe(true)
    })

    it('never sends a captured request whose first answer was a refusal', async () => {
      const captured = signature()
      await replica().run(call({ signature: captured }), failing(notSent))
      clockMs = 600_000
      expect(await replica().run(call({ signature: captured, key: 'x' }), mail)).toEqual(notSent)
      expect(mails).toHaveLength(1)
    })

    it('never sends a captured request whose sender died', async () => {
      const captured = signature()
      await replica({ settle: down }).run(call({ signature: captured }), mail)
      clockMs = 600_000
      expect(await replica({}, otherStore).run(call({ signature: captured, key: 'x' }), mail)).toEqual(
        unknown,
      )
      expect(mails).toHaveLength(1)
    })

    it('lets a newly signed request with the same key send after a refusal', async () => {
      await replica().run(call({ signature: signature() }), failing(notSent))
      expect(await replica().run(call({ signature: signature() }), mail)).toMatchObject({ ok: true })
    })

    it('needs the store even without a key', async () => {
      const { key: _, ...keyless } = call({ signature: signature() })
      expect(await replica({ claim: down }).run(keyless, mail)).toMatchObject({ reason: 'unavailable' })
      expect(mails).toEqual([])
    })
  })
})
