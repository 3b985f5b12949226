import type { BoxContext } from '@herald/crypto'
import type { SealedRecord } from '../store/sealed-records.ts'
import { backupContext, credentialContext, enrollmentContext } from './sealed.ts'

/** Where the box of a record belongs. */
export function contextOf({ kind, subject, id }: SealedRecord): BoxContext {
  if (kind === 'enrollment') return enrollmentContext(subject, id)
  return kind === 'credential' ? credentialContext(subject, id) : backupContext(subject)
}
