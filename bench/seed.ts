import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { readSettings } from '../apps/herald-totp/src/config.ts'
import { openConfiguredStore } from '../apps/herald-totp/src/configured-store.ts'
import { createBackupCodes } from '../apps/herald-totp/src/domain/backup-codes.ts'
import { backupContext, credentialContext } from '../apps/herald-totp/src/domain/box-context.ts'
import type { OpenTotpStore } from '../apps/herald-totp/src/store/open-totp-store.ts'
import { newEnrollmentId } from '../apps/herald-totp/src/store/subject-tag.ts'
import { createKeyring } from '../packages/crypto/src/index.ts'
import { StoreUnavailable } from '../packages/storage/src/index.ts'
import { seededAccount } from './seeded-account.ts'
import type { Account } from './totp-requests.ts'

const atOnce = 100
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const shape = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const

/** Enrols the seeded accounts through the store's own verbs, without the service and its cost, as long ago as the first step. */
export async function seedStore(env: Readonly<Record<string, string>>, count: number): Promise<void> {
  const { settings } = await readSettings(env)
  const store = await openConfiguredStore(settings, { now: Date.now, randomBytes, logger: silent })
  const enrol = createSeeder(store, createKeyring({ ...settings.keyring, randomBytes }))
  for (let first = 0; first < count; first += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, count - first) }, (_, n) => first + n)
    await Promise.all(numbers.map((n) => insist(() => enrol(seededAccount(n)))))
  }
  await store.close()
}

/** On a busy machine Redis may answer later than the store waits; an enrolment that landed all the same is not made twice. */
async function insist(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await delay(100)
    }
  }
}

function createSeeder(store: OpenTotpStore, keyring: ReturnType<typeof createKeyring>) {
  // Sealed for each subject anew; that the codes below are the same costs no byte and spares a minute.
  const { set } = createBackupCodes(randomBytes)
  return async ({ subject, secret }: Account): Promise<void> => {
    const now = Date.now()
    const id = newEnrollmentId(subject, randomBytes)
    const label = `${subject}@example.net`
    const enrollment = { ...shape, id, subject, label, box: '', createdAt: now, expiresAt: now + 600_000 }
    const { outcome } = await store.createEnrollment(enrollment, now)
    if (outcome === 'already_enrolled') return
    const credentialId = `c_${randomBytes(12).toString('base64url')}`
    const box = keyring.seal(credentialContext(subject, credentialId), secret)
    const credential = { ...shape, id: credentialId, box, label, createdAt: now }
    const backupSet = keyring.seal(backupContext(subject), set)
    await store.settleEnrollment(id, { kind: 'right', credential, firstStep: 1, backupSet }, now)
  }
}
