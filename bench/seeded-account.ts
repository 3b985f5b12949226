import { createHash } from 'node:crypto'
import type { Account } from './totp-requests.ts'

/** The account with this number: who fills a store and who loads the service know the same ones. */
export function seededAccount(n: number): Account {
  const subject = `seeded-${String(n).padStart(7, '0')}`
  return { subject, secret: createHash('sha1').update(subject).digest() }
}
