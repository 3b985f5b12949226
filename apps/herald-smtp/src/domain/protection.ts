import { refusal, type RefusedAnswer } from './answer.ts'
import type { Recipient } from './recipient.ts'

/** Sends allowed per hour; undefined is no limit. */
export type Limits = {
  perRecipient?: number | undefined
  perCaller?: number | undefined
  perDomain?: number | undefined
}

type BucketPolicy = { capacity: number; perSeconds: number }

/** Token buckets that all replicas share; a store that does not answer rejects. */
export type Buckets = {
  take(
    key: string,
    policy: BucketPolicy,
    now: number,
  ): Promise<{ ok: true } | { ok: false; retryAfterSeconds: number }>
  giveBack(key: string, policy: BucketPolicy, now: number): Promise<void>
}

export type Admission = { ok: true; giveBack(): Promise<void> } | RefusedAnswer

export type Protection = {
  /** Takes one send from every budget it counts against, or from none; rejects when the store does not answer. */
  admit(send: { caller: string; recipient: Recipient }): Promise<Admission>
  /** The permanent refusal that this address got a short while ago. */
  recall(recipient: Recipient): RefusedAnswer | undefined
  remember(recipient: Recipient, refused: RefusedAnswer): void
}

/** One mistaken refusal must not shut a person out for longer. */
const rememberMs = 600_000
const rememberedMax = 10_000

/** Limits per recipient, caller and domain, and a short memory of addresses that the upstream refused for good. */
export function createProtection(
  deps: { buckets: Buckets; digestAddress: (address: string) => string; now: () => number },
  limits: Limits,
): Protection {
  const { buckets, digestAddress, now } = deps
  const remembered = new Map<string, { refused: RefusedAnswer; until: number }>()

  function budgets(caller: string, { address, domain }: Recipient): [string, BucketPolicy][] {
    const all: [string, number | undefined][] = [
      [`recipient:${digestAddress(address)}`, limits.perRecipient],
      [`caller:${digestAddress(caller)}`, limits.perCaller],
      [`domain:${digestAddress(domain)}`, limits.perDomain],
    ]
    return all.flatMap(([key, perHour]) =>
      perHour === undefined ? [] : [[key, { capacity: perHour, perSeconds: 3600 }]],
    )
  }

  return {
    async admit({ caller, recipient }) {
      const taken: [string, BucketPolicy][] = []
      const giveBack = async () => {
        await Promise.all(taken.map(([key, policy]) => buckets.giveBack(key, policy, now())))
      }
      for (const [key, policy] of budgets(caller, recipient)) {
        const grant = await buckets.take(key, policy, now()).catch(async (fault: unknown) => {
          await giveBack().catch(() => {})
          throw fault
        })
        if (!grant.ok) {
          await giveBack()
          return { ...refusal('rate_limited', 'not_sent'), retryAfterSeconds: grant.retryAfterSeconds }
        }
        taken.push([key, policy])
      }
      return { ok: true, giveBack }
    },

    recall(recipient) {
      const key = digestAddress(recipient.address)
      const entry = remembered.get(key)
      if (entry && entry.until > now()) return entry.refused
      remembered.delete(key)
      return undefined
    },

    remember(recipient, refused) {
      const key = digestAddress(recipient.address)
      const [oldest] = remembered.keys()
      if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest)
      remembered.set(key, { refused, until: now() + rememberMs })
    },
  }
}
