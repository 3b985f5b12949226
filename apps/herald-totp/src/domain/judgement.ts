import type { Keyring, Random } from '@herald/crypto'
import type { SubjectRecord, Verdict } from '../store/store.ts'
import { createBackupCodes, matchSlot } from './backup-codes.ts'
import { readCode } from './code.ts'
import { backupContext, credentialContext } from './box-context.ts'
import { enrollmentAlgorithm, matchStep, secretBytes, type TotpParameters } from './totp.ts'

type Guess = { subject: string; code: string; now: number }

/**
 * What a typed code is to a subject. An unknown subject is judged against a decoy: as many boxes are opened and codes
 * compared as for a known one, and whatever matches a decoy is wrong all the same.
 */
export type Judge = (record: SubjectRecord | undefined, guess: Guess) => Verdict

export type JudgeOptions = { skew: number; digits: TotpParameters['digits']; periodSeconds: number }

export function createJudge(deps: { keyring: Keyring; randomBytes: Random }, options: JudgeOptions): Judge {
  let decoy = createDecoy(deps, options)
  return (record, guess) => {
    // Its key may be retired one day.
    if (decoy.keyId !== deps.keyring.primaryId) decoy = createDecoy(deps, options)
    const { credentials, backupSet } = record ?? decoy
    const owner = record === undefined ? decoySubject : guess.subject
    const code = readCode(
      guess.code,
      credentials.map(({ digits }) => digits),
    )
    if (code.kind === 'totp') {
      const match = matchCredential(deps.keyring, owner, credentials, {
        code: code.digits,
        now: guess.now,
        skew: options.skew,
      })
      return record === undefined || match === undefined ? { kind: 'wrong', guessed: 'totp' } : match
    }
    if (code.kind === 'backup') {
      const set =
        backupSet === undefined ? { owner: decoySubject, box: decoy.backupSet } : { owner, box: backupSet }
      const slot = matchSlot(deps.keyring.open(backupContext(set.owner), set.box), code.symbols)
      const isDecoy = set.owner === decoySubject
      return isDecoy || slot === undefined ? { kind: 'wrong', guessed: 'backup' } : { kind: 'backup', slot }
    }
    return { kind: 'wrong', guessed: 'totp' }
  }
}

function matchCredential(
  keyring: Keyring,
  owner: string,
  credentials: SubjectRecord['credentials'],
  guess: { code: string; now: number; skew: number },
): Verdict | undefined {
  let match: Verdict | undefined
  for (const credential of credentials) {
    const secret = keyring.open(credentialContext(owner, credential.id), credential.box)
    const step = matchStep({ ...guess, secret, parameters: credential })
    const { id: credentialId, periodSeconds } = credential
    if (step !== undefined) match = { kind: 'totp', credentialId, periodSeconds, step }
  }
  return match
}

/** No request can name it: a subject has at least one byte. */
const decoySubject = ''

function createDecoy(
  { keyring, randomBytes }: { keyring: Keyring; randomBytes: Random },
  { digits, periodSeconds }: JudgeOptions,
): SubjectRecord & { backupSet: string; keyId: string } {
  const id = 'decoy'
  const parameters = { algorithm: enrollmentAlgorithm, digits, periodSeconds }
  const box = keyring.seal(credentialContext(decoySubject, id), randomBytes(secretBytes))
  return {
    keyId: keyring.primaryId,
    version: 0,
    credentials: [{ id, box, ...parameters, label: '', createdAt: 0 }],
    backupSet: keyring.seal(backupContext(decoySubject), createBackupCodes(randomBytes).set),
  }
}
