import type { StoreHandle } from '@herald/storage'
import { createRedisSealedRecords } from './redis-sealed-records.ts'
import { createSqliteSealedRecords } from './sqlite-sealed-records.ts'

/** One box where it lies: a pending enrolment's or a credential's secret, or a subject's backup set. */
export type SealedRecord = {
  kind: 'enrollment' | 'credential' | 'backup'
  subject: string
  /** Of the enrolment or the credential; of a backup set, 'backup'. */
  id: string
  box: string
}

export type SealedPage = {
  records: readonly SealedRecord[]
  /** Of what `size` counts. */
  visited: number
  /** Where the next page begins, in this process or another; undefined after the last one. */
  cursor: string | undefined
}

export type Exchange = { record: SealedRecord; box: string }

/** Every sealed box of the store, for what re-seals and counts them. StoreUnavailable when the store fails. */
export type SealedRecords = {
  /** A record that is there from the first page to the last is given at least once. */
  page(cursor: string | undefined, count: number): Promise<SealedPage>
  /** About how much there is to visit. */
  size(): Promise<number>
  /**
   * Puts a box in the place of the one that was read, unless another stands there by now, and changes nothing else: version,
   * expiry and what was used stay. Answers with the boxes that then stand there; undefined for a record that is gone.
   */
  exchange(exchanges: readonly Exchange[]): Promise<readonly (string | undefined)[]>
}

/** The sealed records of an opened store, on either engine. */
export function createSealedRecords(handle: StoreHandle): SealedRecords {
  return handle.engine === 'redis' ? createRedisSealedRecords(handle) : createSqliteSealedRecords(handle)
}
