import type { StorePolicy, Verdict } from './store.ts'

/** Failures of one subject or counter: TOTP failures in a row, and the times of the latest ones by what was guessed. */
export type Failures = { streak: number; totp: readonly number[]; backup: readonly number[] }

export type Guessed = 'totp' | 'backup'

export const noFailures: Failures = { streak: 0, totp: [], backup: [] }

export const hourMs = 3_600_000

/** In a row, before the first wait. */
export const freeFailures = 5
export const firstWaitMs = 30_000
export const longestWaitMs = 15 * 60_000

/** Which budget a verdict counts in, right or wrong. */
export function guessedBy(verdict: Verdict): Guessed {
  return verdict.kind === 'wrong' ? verdict.guessed : verdict.kind
}

/** The failures as they count now: one more than an hour ahead was counted by a clock that has been set back since. */
export function failuresAt(failures: Failures, now: number): Failures {
  const isPossible = (time: number): boolean => time <= now + hourMs
  return { ...failures, totp: failures.totp.filter(isPossible), backup: failures.backup.filter(isPossible) }
}

/** Milliseconds until a guess is looked at again; 0 when it is now. The same arithmetic stands in redis-scripts.ts. */
export function waitMs(failures: Failures, guessed: Guessed, policy: StorePolicy, now: number): number {
  if (guessed === 'backup') return hourlyWaitMs(failures.backup, policy.backupFailuresPerHour, now)
  const { lockAfterFailures } = policy
  if (lockAfterFailures !== 'off' && failures.streak >= lockAfterFailures) return hourMs
  return Math.max(hourlyWaitMs(failures.totp, policy.failuresPerHour, now), streakWaitMs(failures, now))
}

/** The counts after one more wrong guess. */
export function countFailure(
  failures: Failures,
  guessed: Guessed,
  policy: StorePolicy,
  now: number,
): Failures {
  if (guessed === 'backup') {
    return { ...failures, backup: latest(failures.backup, policy.backupFailuresPerHour, now) }
  }
  return {
    ...failures,
    streak: failures.streak + 1,
    totp: latest(failures.totp, policy.failuresPerHour, now),
  }
}

/** Until the earliest of the last `perHour` failures has left the hour. */
function hourlyWaitMs(times: readonly number[], perHour: number, now: number): number {
  const earliest = times.at(-perHour)
  return earliest === undefined ? 0 : Math.max(earliest + hourMs - now, 0)
}

/** From the fifth failure in a row on, twice as long after each. */
function streakWaitMs(failures: Failures, now: number): number {
  const last = failures.totp.at(-1)
  if (last === undefined || failures.streak < freeFailures) return 0
  const wait = Math.min(firstWaitMs * 2 ** (failures.streak - freeFailures), longestWaitMs)
  return Math.max(last + wait - now, 0)
}

/** More than `perHour` times are never looked at, nor are those an hour old. */
function latest(times: readonly number[], perHour: number, now: number): number[] {
  return [...times.filter((time) => time > now - hourMs), now].slice(-perHour)
}
