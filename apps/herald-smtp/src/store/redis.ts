import type { RedisHandle } from '@herald/storage'
import type { Answer, TraceEntry } from '../domain/answer.ts'
import { claimScript, lookScript, noteScript, settleScript } from './redis-scripts.ts'
import { stateOf, type Claimed, type NoteName, type SmtpStore } from './store.ts'

/** Redis drops a record this long after the clock passed in has forgotten it. */
const garbageMs = 60_000

/** The store on Redis: one hash per identity, each verb one script on one key. */
export function createRedisStore(handle: RedisHandle): SmtpStore {
  const claim = handle.script(claimScript)
  const settle = handle.script(settleScript)
  const note = handle.script(noteScript)
  const look = handle.script(lookScript)
  const noteKeyOf = (name: NoteName) =>
    `${handle.keyPrefix}smtp:trail:${'call' in name ? `call:${name.call}` : `message:${name.message}`}`
  const keyOf = (id: string) => `${handle.keyPrefix}smtp:call:${id}`

  return {
    claim: async ({ id, fingerprint, owner, messageId, leaseUntil, expiresAt, once }, now) => {
      const keepMs = expiresAt - now + garbageMs
      const args = [now, fingerprint, owner, messageId, leaseUntil, expiresAt, once ? 1 : 0, keepMs]
      const reply = await claim([keyOf(id)], args)
      return claimedFrom(reply as [Claimed['outcome'], string])
    },

    settle: async ({ id, owner, answer, expiresAt, now }) => {
      const args = [owner, stateOf(answer), JSON.stringify(answer), expiresAt, expiresAt - now + garbageMs]
      return (await settle([keyOf(id)], args)) === 1
    },

    look: async (id, now) => {
      const found = await look([keyOf(id)], ['expires', 'lease', 'answer', 'message'])
      const [expires, lease, answer, messageId] = found as (string | null)[]
      if (!expires || Number(expires) <= now) return { outcome: 'free' }
      if (answer) return { outcome: 'settled', answer: JSON.parse(answer) as Answer }
      return { outcome: Number(lease) > now ? 'sending' : 'lapsed', messageId: messageId ?? '' }
    },

    note: async ({ call, entry, expiresAt }, now) => {
      const { messageId, outcome, settledAt } = entry
      const keepMs = expiresAt - now + garbageMs
      const args = [now, messageId, outcome, settledAt, expiresAt, JSON.stringify(entry), keepMs]
      const names: NoteName[] = [{ message: messageId }, ...(call === undefined ? [] : [{ call }])]
      await Promise.all(names.map((name) => note([noteKeyOf(name)], args)))
    },

    find: async (name, now) => {
      const [expires, entry] = (await look([noteKeyOf(name)], ['expires', 'entry'])) as (string | null)[]
      return entry && Number(expires) > now ? (JSON.parse(entry) as TraceEntry) : undefined
    },

    ping: () => handle.ping(),
    close: () => handle.close(),
  }
}

function claimedFrom([outcome, text]: [Claimed['outcome'], string]): Claimed {
  if (outcome === 'claimed') return { outcome, messageId: text }
  if (outcome === 'settled') return { outcome, answer: JSON.parse(text) as Answer }
  return { outcome }
}
