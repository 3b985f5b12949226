import { createKeyring, type Keyring } from '@herald/crypto'
import { createTokenBuckets } from '@herald/storage'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDigests } from '../src/digests.ts'
import { createEnrollments } from '../src/domain/enrollment.ts'
import { createJudge } from '../src/domain/judgement.ts'
import { createAddressThrottle, storePolicy } from '../src/domain/throttle.ts'
import { codeAt, stepAt, type TotpParameters } from '../src/domain/totp.ts'
import { createVerification } from '../src/domain/verification.ts'
import { openTotpStore } from '../src/store/open-totp-store.ts'

export const standard: TotpParameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 }

/** A clock that stands still until it is moved. */
export function createClock(start = 1_800_000_000_000) {
  let time = start
  return { now: () => time, advance: (seconds: number) => void (time += seconds * 1000) }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** The domain on a real SQLite file, with a clock that the test moves; `opened` counts the boxes opened so far. */
export async function openDomain(
  options: { skew?: number; perAddressMinute?: number; ttlSeconds?: number } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'herald-totp-'))
  const clock = createClock()
  const settings = {
    primaryId: 'k1',
    entries: [{ id: 'k1', key: randomBytes(32), state: 'enabled' as const }],
  }
  const digest = createDigests(settings)
  const store = await openTotpStore(
    { engine: 'sqlite', path: join(directory, 'totp.sqlite') },
    {
      policy: storePolicy({ perSubjectHour: 1000, lockAfterFailures: 100 }, { skew: 1 }),
      unknownSlot: (subject) => digest('unknown', subject).readUInt16BE(),
      now: clock.now,
      randomBytes,
      logger: silent,
    },
  )
  const { keyring, opened } = countOpened(createKeyring({ ...settings, randomBytes }))
  const parameters = { issuer: 'Herald', skew: 1, ttlSeconds: 600, ...standard, ...options }
  const deps = { store, keyring, digest, now: clock.now, randomBytes }
  const judge = createJudge(deps, parameters)
  const addresses = createAddressThrottle(
    { ...deps, buckets: createTokenBuckets(store.handle, { prefix: 'totp:address:' }) },
    { perMinute: options.perAddressMinute ?? 1000 },
  )
  return {
    clock,
    store,
    keyring,
    opened,
    judge,
    enrollments: createEnrollments(deps, parameters),
    verify: createVerification({ ...deps, addresses, judge }),
    async close() {
      await store.close()
      rmSync(directory, { recursive: true })
    },
  }
}

export type Domain = Awaited<ReturnType<typeof openDomain>>

/** Enrols a subject with the code of the previous step, so that those of this step and the next are unused. */
export async function enrol({ enrollments, clock }: Domain, subject: string) {
  const started = await enrollments.start({ subject, label: subject })
  if (!started.ok) throw new Error(started.reason)
  const code = (offset: number) => codeOf(started.secretBase32, clock.now(), offset)
  const confirmed = await enrollments.confirm({ enrollmentId: started.enrollmentId, code: code(-1) })
  if (!confirmed.ok) throw new Error(confirmed.reason)
  return { ...confirmed, code, wrong: (n = 0) => wrongCode(code, n) }
}

/** The code `offset` steps away from `now`, in milliseconds. */
export function codeOf(secretBase32: string, now: number, offset: number): string {
  return codeAt(fromBase32(secretBase32), standard, stepAt(now, standard.periodSeconds) + offset)
}

/** A six-digit text that is the code of no step near now; each `n` gives another. */
export function wrongCode(code: (offset: number) => string, n: number): string {
  const near = new Set([-3, -2, -1, 0, 1, 2, 3].map(code))
  const candidates = Array.from({ length: 20 }, (_, index) => String(100_000 + n * 1000 + index))
  return candidates.find((candidate) => !near.has(candidate))!
}

function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((symbol) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)))
}

function countOpened(keyring: Keyring): { keyring: Keyring; opened: () => number } {
  let count = 0
  const open: Keyring['open'] = (context, box) => {
    count += 1
    return keyring.open(context, box)
  }
  return { keyring: { ...keyring, open }, opened: () => count }
}
