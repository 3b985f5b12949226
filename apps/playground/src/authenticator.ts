import { join } from 'node:path'
import { generateSync } from 'otplib'
import { PlaygroundError } from './settings.ts'
import { readIfPresent, writePrivateFile } from './state.ts'

/** What an `otpauth://totp/` URI says about the codes of one account. */
export type Account = {
  secretBase32: string
  algorithm: 'sha1' | 'sha256' | 'sha512'
  digits: 6 | 7 | 8
  periodSeconds: number
  /** The last time step whose code was handed out; a service takes each step at most once. */
  lastStep: number
}

export type Authenticator = {
  /** Remembers the account under its subject and hands out its first code. */
  add(subject: string, otpauthUri: string): string
  /** The next code that was not handed out before, and how long until a service that allows one step of skew takes it. */
  nextCode(subject: string): { code: string; waitMs: number }
}

/** Stands in for a phone: keeps secrets in one file (0600) of the folder and computes their codes. */
export function createAuthenticator(options: { folder: string; now: () => number }): Authenticator {
  const path = join(options.folder, 'authenticator.json')
  const accounts = new Map<string, Account>(JSON.parse(readIfPresent(path) ?? '[]'))
  const handOut = (subject: string, account: Account) => {
    const { step, waitMs } = nextStep(account, options.now())
    accounts.set(subject, { ...account, lastStep: step })
    writePrivateFile(path, JSON.stringify([...accounts]))
    return { code: computeCode(account, step), waitMs }
  }

  return {
    add: (subject, otpauthUri) => handOut(subject, parseOtpauthUri(otpauthUri)).code,
    nextCode(subject) {
      const account = accounts.get(subject)
      if (account) return handOut(subject, account)
      throw new PlaygroundError(
        `No secret of ${subject} is kept here: run \`npm run enrol -- --no-phone\` first.`,
      )
    },
  }
}

/** The next step that was not handed out: the present one at the earliest, waiting until it is at most one ahead. */
export function nextStep(
  account: Pick<Account, 'lastStep' | 'periodSeconds'>,
  now: number,
): { step: number; waitMs: number } {
  const periodMs = account.periodSeconds * 1000
  const step = Math.max(Math.floor(now / periodMs), account.lastStep + 1)
  return { step, waitMs: Math.max(0, (step - 1) * periodMs - now) }
}

/** Reads a Key URI as authenticator apps do; throws PlaygroundError when it is none or has no secret. */
export function parseOtpauthUri(text: string): Account {
  const uri = URL.parse(text)
  const secretBase32 = uri?.searchParams.get('secret')
  if (uri?.protocol !== 'otpauth:' || uri.host !== 'totp' || !secretBase32) {
    throw new PlaygroundError('herald-totp answered without a usable otpauth URI.')
  }
  return {
    secretBase32,
    algorithm: (uri.searchParams.get('algorithm') ?? 'SHA1').toLowerCase() as Account['algorithm'],
    digits: Number(uri.searchParams.get('digits') ?? 6) as Account['digits'],
    periodSeconds: Number(uri.searchParams.get('period') ?? 30),
    lastStep: 0,
  }
}

function computeCode(account: Account, step: number): string {
  return generateSync({
    secret: account.secretBase32,
    algorithm: account.algorithm,
    digits: account.digits,
    period: account.periodSeconds,
    epoch: step * account.periodSeconds,
  })
}
