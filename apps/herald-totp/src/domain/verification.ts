import type { Settled, TotpStore, Verdict } from '../store/store.ts'
import type { Judge } from './judgement.ts'
import type { AddressThrottle } from './throttle.ts'

export type VerificationRequest = {
  subject: string
  code: string
  challengeId?: string | undefined
  /** The client address a trusted proxy stated. */
  address?: string | undefined
}

/** `issuedAt` is in seconds since the epoch. */
export type Verified =
  | { ok: true; method: 'totp'; credentialId: string; backupCodesRemaining: number; issuedAt: number }
  | { ok: true; method: 'backup_code'; backupCodesRemaining: number; issuedAt: number }
  | { ok: false; reason: 'wrong_code' | 'replayed' }
  | { ok: false; reason: 'rate_limited' | 'floored'; retryAfterSeconds: number }

/** Judges one typed code and, when it is right, uses it up; what settles in the store is the whole truth. */
export type Verify = (request: VerificationRequest) => Promise<Verified>

type Deps = {
  store: Pick<TotpStore, 'findSubject' | 'settleVerification'>
  judge: Judge
  addresses: AddressThrottle
  digest: (domain: string, ...parts: string[]) => Buffer
  now: () => number
}

export function createVerification(deps: Deps): Verify {
  return async (request) => {
    const allowed = await deps.addresses.take(request.address)
    if (!allowed.ok)
      return { ok: false, reason: 'rate_limited', retryAfterSeconds: allowed.retryAfterSeconds }
    let failed = false
    try {
      // Gone: credentials came or went in between, so they are read once more.
      const verified = (await attempt(deps, request)) ?? (await attempt(deps, request))
      failed = verified === undefined || (!verified.ok && verified.reason === 'wrong_code')
      return verified ?? { ok: false, reason: 'wrong_code' }
    } finally {
      if (!failed) await deps.addresses.giveBack(request.address)
    }
  }
}

async function attempt(deps: Deps, request: VerificationRequest): Promise<Verified | undefined> {
  const now = deps.now()
  const record = await deps.store.findSubject(request.subject)
  const verdict = deps.judge(record, { ...request, now })
  const settled = await deps.store.settleVerification({
    subject: request.subject,
    version: record?.version ?? 'unknown',
    verdict,
    ...challengeOf(deps, request),
    now,
  })
  return settled.outcome === 'gone' ? undefined : answer(settled, verdict, now)
}

function challengeOf(
  { digest }: Deps,
  { subject, challengeId }: VerificationRequest,
): { challenge?: string } {
  if (challengeId === undefined) return {}
  return { challenge: digest('challenge', subject, challengeId).toString('base64url') }
}

function answer(settled: Exclude<Settled, { outcome: 'gone' }>, verdict: Verdict, now: number): Verified {
  if (settled.outcome === 'locked')
    return { ok: false, reason: 'rate_limited', retryAfterSeconds: settled.retryAfterSeconds }
  if (settled.outcome === 'floored')
    return { ok: false, reason: 'floored', retryAfterSeconds: settled.retryAfterSeconds }
  if (settled.outcome === 'replayed') return { ok: false, reason: 'replayed' }
  if (settled.outcome === 'wrong' || verdict.kind === 'wrong') return { ok: false, reason: 'wrong_code' }
  const { backupCodesRemaining } = settled
  const issuedAt = Math.floor(now / 1000)
  return verdict.kind === 'totp'
    ? { ok: true, method: 'totp', credentialId: verdict.credentialId, backupCodesRemaining, issuedAt }
    : { ok: true, method: 'backup_code', backupCodesRemaining, issuedAt }
}
