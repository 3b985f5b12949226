import { StoreUnavailable } from '@herald/storage'
import type { Failures } from './budget.ts'
import type { Credential, Enrollment, Status } from './store.ts'

type Parameters = Pick<Credential, 'box' | 'algorithm' | 'digits' | 'periodSeconds'>

/** The last step that was used of a credential, and when, in milliseconds since the epoch: never yet is the one that confirmed it. */
export type Use = { id: string; step: number; at?: number }

const algorithms: ReadonlySet<unknown> = new Set<Credential['algorithm']>(['SHA1', 'SHA256', 'SHA512'])

/** StoreUnavailable, without a word of the text, when it is no credential that we wrote. */
export function parseCredential(text: string): Credential {
  return soundRecord(parse(text) as Credential)
}

/** StoreUnavailable, without a word of the text, when it is no list of credentials that we wrote. */
export function parseCredentials(text: string): Credential[] {
  return parseList(text).map((one) => soundRecord(one as Credential))
}

/** StoreUnavailable, without a word of the text, when it is no list of uses that we wrote. */
export function parseUses(text: string): Use[] {
  return parseList(text).map((one) => {
    const { id, step, at } = one as Use
    // A step that is no number would be smaller than none.
    if (typeof id !== 'string' || !Number.isSafeInteger(step)) throw damaged()
    if (at !== undefined && !Number.isSafeInteger(at)) throw damaged()
    return { id, step, ...(at === undefined ? {} : { at }) }
  })
}

/** StoreUnavailable, without a word of the text, when it is no enrolment that we wrote. */
export function parseEnrollment(text: string): Enrollment {
  return soundRecord(parse(text) as Enrollment)
}

/** The parameters stand beside the sealed box, so whoever can write to the store could shorten the codes: StoreUnavailable. */
function soundRecord<T extends Parameters>(record: T): T {
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

/** StoreUnavailable, without a word of the text, when they are no failures that we wrote. */
export function parseFailures(text: string): Failures {
  const { streak, totp, backup } = parse(text) as Failures
  if (!Number.isSafeInteger(streak) || !areTimes(totp) || !areTimes(backup)) throw damaged()
  return { streak, totp, backup }
}

function areTimes(value: unknown): boolean {
  return Array.isArray(value) && value.every((time) => Number.isSafeInteger(time))
}

/** What the status shows of a credential: everything but its box. */
export function describeCredential(
  { id, algorithm, digits, periodSeconds, label, createdAt }: Credential,
  lastUsedAt: number | undefined,
): Status['credentials'][number] {
  const description = { id, algorithm, digits, periodSeconds, label, createdAt }
  return lastUsedAt === undefined ? description : { ...description, lastUsedAt }
}

function parseList(text: string): object[] {
  const list = parse(text)
  if (!Array.isArray(list)) throw damaged()
  if (!list.every((one: unknown) => typeof one === 'object' && one !== null)) throw damaged()
  return list
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
