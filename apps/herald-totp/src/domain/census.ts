import { BoxError, keyIdOfBox } from '@herald/crypto'
import type { SealedRecords } from '../store/sealed-records.ts'

const pageSize = 512

/** How many boxes of the store need which key; what is no box counts as `malformed`. */
export async function countByKey(records: SealedRecords): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  let cursor: string | undefined
  do {
    const page = await records.page(cursor, pageSize)
    for (const { box } of page.records) {
      const id = keyIdOrMalformed(box)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return counts
}

/** With a dot, which no key id has. */
export const malformed = 'malformed.'

/** The id of the key that a box needs, or `malformed` for what is no box. */
export function keyIdOrMalformed(box: string): string {
  try {
    return keyIdOfBox(box)
  } catch (error) {
    if (error instanceof BoxError) return malformed
    throw error
  }
}
