import { StoreUnavailable } from '@herald/storage'
import type { Credential, Enrollment } from './store.ts'

type Parameters = Pick<Credential, 'box' | 'algorithm' | 'digits' | 'periodSeconds'>

const algorithms: ReadonlySet<unknown> = new Set<Credential['algorithm']>(['SHA1', 'SHA256', 'SHA512'])

/** StoreUnavailable, without a word of the text, when it is no credential that we wrote. */
export function parseCredential(text: string): Credential {
  return soundRecord(parse(text) as Credential)
}

/** StoreUnavailable, without a word of the text, when it is no enrolment that we wrote. */
export function parseEnrollment(text: string): Enrollment {
  return soundRecord(parse(text) as Enrollment)
}

/** The parameters stand beside the sealed box, so whoever can write to the store could shorten the codes: StoreUnavailable. */
export function soundRecord<T extends Parameters>(record: T): T {
  const { box, algorithm, digits, periodSeconds }: Record<keyof Parameters, unknown> = record
  const isSound =
    typeof box === 'string' &&
    algorithms.has(algorithm) &&
    (digits === 6 || digits === 7 || digits === 8) &&
    Number.isSafeInteger(periodSeconds) &&
    Number(periodSeconds) > 0
  if (!isSound) throw damaged()
  return record
}

function parse(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw damaged()
  }
  if (typeof value !== 'object' || value === null) throw damaged()
  return value
}

/** What was found cannot come from the verbs of the store. */
export function damaged(): StoreUnavailable {
  return new StoreUnavailable('a record in the store is damaged')
}
