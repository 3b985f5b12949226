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

/** Whom a mail counts for; `toDigest` is the keyed digest of the address, which stands for it here and in the log. */
export type Addressed = { caller: string; recipient: Recipient; toDigest: string }

export type Protection = {
  /** Takes one send from every budget it counts against, or from none; rejects when the store does not answer. */
  admit(mail: Addressed): Promise<Admission>
  /** The permanent refusal that this address got a short while ago. */
  recall(toDigest: string): RefusedAnswer | undefined
  remember(toDigest: string, refused: RefusedAnswer): void
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

  function budgets({ caller, recipient, toDigest }: Addressed): [string, BucketPolicy][] {
    const { perRecipient, perCaller, perDomain } = limits
    const all: [string, BucketPolicy][] = []
    if (perRecipient !== undefined) all.push([`recipient:${toDigest}`, perHour(perRecipient)])
    if (perCaller !== undefined) all.push([`caller:${digestAddress(caller)}`, perHour(perCaller)])
    if (perDomain !== undefined) all.push([`domain:${digestAddress(recipient.domain)}`, perHour(perDomain)])
    return all
  }

  return {
    async admit(mail) {
      const taken: [string, BucketPolicy][] = []
      const giveBack = async () => {
        await Promise.all(taken.map(([key, policy]) => buckets.giveBack(key, policy, now())))
      }
      for (const [key, policy] of budgets(mail)) {
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

    recall(toDigest) {
      const entry = remembered.get(toDigest)
      if (entry && entry.until > now()) return entry.refused
      remembered.delete(toDigest)
      return undefined
    },

    remember(toDigest, refused) {
      const [oldest] = remembered.keys()
      if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest)
      remembered.set(toDigest, { refused, until: now() + rememberMs })
    },
  }
}

const perHour = (capacity: number): BucketPolicy => ({ capacity, perSeconds: 3600 })
