import type { StorePolicy } from '../store/store.ts'
import { limitedNetwork } from './client-address.ts'

/** How long a v1 signature is remembered: its window, both ways, and a minute. */
export const requestTtlSeconds = 660

/** The budgets a store enforces, all of them per subject; `limits` are the ones an operator sets. */
export function storePolicy(
  limits: { perSubjectHour: number; lockAfterFailures: number | 'off' },
  { skew }: Pick<StorePolicy, 'skew'>,
): StorePolicy {
  return {
    startsPerHour: limits.perSubjectHour,
    failuresPerHour: limits.perSubjectHour,
    lockAfterFailures: limits.lockAfterFailures,
    backupFailuresPerHour: 20,
    challengeTtlSeconds: 900,
    pendingMax: 5,
    enrollmentFailuresMax: 5,
    requestTtlSeconds,
    skew,
  }
}

export type Allowance = { ok: true } | { ok: false; retryAfterSeconds: number }

type BucketPolicy = { capacity: number; perSeconds: number }

/** Atomic token buckets of the store; a bucket that cannot be asked throws, so a limit never fails open. */
export type Buckets = {
  take(key: string, policy: BucketPolicy, now: number): Promise<Allowance>
  giveBack(key: string, policy: BucketPolicy, now: number): Promise<void>
}

/** The limit of a client address; an undefined address is a client nobody stated, which has none. */
export type AddressThrottle = {
  take(address: string | undefined): Promise<Allowance>
  giveBack(address: string | undefined): Promise<void>
}

/** Limits starts and failed verifies of one client network; addresses enter the store as keyed digests only. */
export function createAddressThrottle(
  deps: { buckets: Buckets; digest: (domain: string, network: string) => Buffer; now: () => number },
  options: { perMinute: number },
): AddressThrottle {
  const policy = { capacity: options.perMinute, perSeconds: 60 }
  const keyOf = (address: string) => deps.digest('address', limitedNetwork(address)).toString('base64url')
  return {
    take: async (address) =>
      address === undefined ? { ok: true } : deps.buckets.take(keyOf(address), policy, deps.now()),
    giveBack: async (address) => {
      if (address === undefined) return
      // A token that cannot be returned makes the limit stricter, never looser, and is no reason to fail an answer.
      await deps.buckets.giveBack(keyOf(address), policy, deps.now()).catch(() => undefined)
    },
  }
}
