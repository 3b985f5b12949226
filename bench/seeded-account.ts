import { createHash } from 'node:crypto'
import type { Account } from './totp-requests.ts'

/** The account with this number: who fills a store and who loads the service know the same ones. */
export function seededAccount(n: number): Account {
  const subject = `seeded-${String(n).padStart(7, '0')}`
  return { subject, secret: createHash('sha1').update(subject).digest() }
}

/** A prime, and so without a common factor with any smaller count. */
const stride = 618_034_013

/** The first `count` accounts, each once, in another order than they were enrolled in: so lie those who sign in one after another. */
export function scatteredAccounts(count: number): Account[] {
  return Array.from({ length: count }, (_, n) => seededAccount((n * stride) % count))
}
