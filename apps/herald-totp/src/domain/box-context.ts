import type { BoxContext } from '@herald/crypto'
import type { SealedRecord } from '../store/sealed-records.ts'
import { subjectTag } from '../store/subject-tag.ts'

const service = 'herald-totp'

/** Binds the secret of a pending enrolment to that enrolment: nothing else can be opened as it. */
export function enrollmentContext(subject: string, enrollmentId: string): BoxContext {
  return {
    service,
    purpose: 'enrollment',
    recordId: `${subjectTag(subject)}/${enrollmentId}`,
    field: 'secret',
  }
}

/** Binds the secret of a credential to its subject and id. */
export function credentialContext(subject: string, credentialId: string): BoxContext {
  return {
    service,
    purpose: 'credential',
    recordId: `${subjectTag(subject)}/${credentialId}`,
    field: 'secret',
  }
}

/** Binds a backup set to its subject; a subject has one set, whatever credentials come and go. */
export function backupContext(subject: string): BoxContext {
  return { service, purpose: 'backup', recordId: `${subjectTag(subject)}/backup`, field: 'codes' }
}

/** Where the box of a record of the store belongs. */
export function contextOf({ kind, subject, id }: SealedRecord): BoxContext {
  if (kind === 'enrollment') return enrollmentContext(subject, id)
  return kind === 'credential' ? credentialContext(subject, id) : backupContext(subject)
}
