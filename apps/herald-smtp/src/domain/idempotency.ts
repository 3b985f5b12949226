import { sha256 } from '@herald/crypto'
import type { Claimed, SmtpStore } from '../store/store.ts'
import { refusal, type Answer } from './answer.ts'
import { pause, persist, unlessLate } from './deadline.ts'
import { differs } from './fingerprint.ts'

/** How long a signed request stays answered: the window of its signature on both sides, and a minute. */
const signatureMs = 660_000
/** Whoever has not settled this long after its deadline is taken for dead. */
const graceMs = 2_000
/** Kept back from a send, so that its outcome is written down before the deadline. */
const reserveMs = 100
/** How long an answer `not_sent`, which frees its key at once, can still be shared with twins that wait for it. */
const shareMs = 10_000
const pollMs = 50

/** One call; `deadline` is milliseconds since the epoch. */
export type Call = {
  /** Keys of different callers never meet. */
  caller: string
  key?: string
  /** Identifies a signed request: the same one again gets the first answer again and sends nothing, whatever its key. */
  signature?: Uint8Array
  fingerprint: string
  messageId: string
  deadline: number
}

/** Sends one mail under that Message-ID and answers by the deadline, which lies before that of the call. */
export type Send = (messageId: string, deadline: number) => Promise<Answer>

export type IdempotencyDeps = {
  store: SmtpStore
  now: () => number
  randomBytes: (size: number) => Buffer
  /** Told of each fault of the store, also of those that no answer shows. */
  onFault: (verb: 'claim' | 'look' | 'settle', fault: unknown) => void
}

export type Idempotency = { run(call: Call, send: Send): Promise<Answer> }

type Slot = {
  id: string
  fingerprint: string
  messageId: string
  deadline: number
  keepMs: number
  once: boolean
}

const timedOut = refusal('timeout_unknown', 'unknown')
const conflict = refusal('idempotency_conflict', 'not_sent')

/**
 * Makes one key, and one signature, one mail. `run` answers within the call's deadline, the store's time included. A
 * store that fails before the claim is `unavailable`; one that fails after the mail leaves the lease standing, and is told
 * again as long as that lasts.
 */
export function createIdempotency(
  { store, now, randomBytes, onFault }: IdempotencyDeps,
  { ttlMs }: { ttlMs: number },
): Idempotency {
  const holder = randomBytes(16).toString('base64url')
  let claims = 0
  const inFlight = new Map<string, { fingerprint: string; answer: Promise<Answer> }>()

  function run(call: Call, send: Send): Promise<Answer> {
    const { signature, messageId, deadline } = call
    if (signature === undefined) return runKeyed(call, send)
    const id = identify('signature', Buffer.from(signature).toString('base64url'))
    const slot = { id, fingerprint: '', messageId, deadline, keepMs: signatureMs, once: true }
    return share(slot, () => runKeyed(call, send))
  }

  function runKeyed({ caller, key, ...call }: Call, send: Send): Promise<Answer> {
    const sendBy = call.deadline - reserveMs
    if (key === undefined) return send(call.messageId, sendBy)
    const slot = { ...call, id: identifyKey(caller, key), keepMs: ttlMs, once: false }
    return share(slot, (messageId) => send(messageId, sendBy))
  }

  /** Twins inside this process wait for the first of them. */
  async function share(slot: Slot, work: (messageId: string) => Promise<Answer>): Promise<Answer> {
    const twin = inFlight.get(slot.id)
    if (twin && differs(twin.fingerprint, slot.fingerprint)) return conflict
    if (twin) return unlessLate(twin.answer, slot.deadline - now(), timedOut)
    const answer = lead(slot, work)
    inFlight.set(slot.id, { fingerprint: slot.fingerprint, answer })
    try {
      return await answer
    } finally {
      inFlight.delete(slot.id)
    }
  }

  async function lead(slot: Slot, work: (messageId: string) => Promise<Answer>): Promise<Answer> {
    const owner = `${holder}.${++claims}`
    const claimed = await claim(slot, owner)
    if (claimed === undefined) return refusal('unavailable', 'not_sent')
    switch (claimed.outcome) {
      case 'claimed':
        return settle(slot, owner, await work(claimed.messageId))
      case 'sending':
        return follow(slot)
      case 'settled':
        return claimed.answer
      case 'conflict':
        return conflict
      case 'unknown':
        return timedOut
    }
  }

  /** Undefined when the store fails or is too slow; a claim that lands after all is given back. */
  async function claim(slot: Slot, owner: string): Promise<Claimed | undefined> {
    const { id, fingerprint, messageId, once } = slot
    const leaseUntil = slot.deadline + graceMs
    const expiresAt = leaseUntil + slot.keepMs
    const claiming = store
      .claim({ id, fingerprint, owner, messageId, leaseUntil, expiresAt, once }, now())
      .catch((fault: unknown): undefined => {
        onFault('claim', fault)
      })
    const claimed = await unlessLate(claiming, slot.deadline - now(), 'late' as const)
    if (claimed !== 'late') return claimed
    onFault('claim', new Error('the store did not answer before the deadline'))
    void claiming.then((late) => {
      if (late?.outcome === 'claimed') void settle(slot, owner, refusal('unavailable', 'not_sent'))
    })
    return undefined
  }

  /** Waits for the answer of another replica. A lease that runs out meanwhile is an unknown outcome too: the next call sends. */
  async function follow(slot: Slot): Promise<Answer> {
    const unseen = { outcome: 'sending', messageId: slot.messageId } as const
    while (now() < slot.deadline) {
      await pause(Math.min(pollMs, slot.deadline - now()))
      const looking = store.look(slot.id, now()).catch((fault: unknown) => {
        onFault('look', fault)
        return unseen
      })
      const seen = await unlessLate(looking, slot.deadline - now(), unseen)
      if (seen.outcome === 'settled') return seen.answer
      if (seen.outcome !== 'sending') return timedOut
    }
    return timedOut
  }

  async function settle(slot: Slot, owner: string, answer: Answer): Promise<Answer> {
    const isFree = !answer.ok && answer.outcome === 'not_sent' && !slot.once
    const expiresAt = now() + (isFree ? shareMs : slot.keepMs)
    const settlement = { id: slot.id, owner, answer, expiresAt, now: now() }
    const settling = store
      .settle(settlement)
      .then((held) => held || onFault('settle', new Error('the claim was no longer held')))
      .catch((fault: unknown) => {
        onFault('settle', fault)
        // Settled twice is settled once: after the first time there is no claim to settle.
        void persist(() => store.settle(settlement), slot.deadline + graceMs - now())
      })
    await unlessLate(settling, slot.deadline - now(), undefined)
    return answer
  }

  return { run }
}

/** Names the claim of a caller's key. */
export function identifyKey(caller: string, key: string): string {
  return identify('key', caller, key)
}

/** Not keyed, so that a change of the configured secrets makes no call look new. */
function identify(...parts: ['signature', string] | ['key', string, string]): string {
  return sha256(JSON.stringify(parts)).toString('base64url')
}
