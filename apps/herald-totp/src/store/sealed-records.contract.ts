import { describe, expect, it } from 'vitest'
import { createSealedRecords, type SealedRecord, type SealedRecords } from './sealed-records.ts'
import { credentialOf, enrol, newEnrollment, start, stepAt, type TestEngine } from './totp-store.fixture.ts'

/** What every engine must prove of its sealed records. */
export function describeSealedRecords(engine: TestEngine): void {
  describe.skipIf(engine.skip)(`the sealed records on ${engine.name}`, () => {
    it('are given page by page, those of pending enrolments too', async () => {
      const store = await engine.create().open()
      const people = []
      for (let n = 0; n < 30; n += 1) people.push(await enrol(store, `subject ${n}`))
      const pending = newEnrollment('zoë "/\\ \u0000')
      await store.createEnrollment(pending, start)
      const records = createSealedRecords(store.handle)
      const found = await all(records)
      const expected = people.flatMap(({ enrollment }) => {
        const { subject } = enrollment
        const { id, box } = credentialOf(enrollment, start)
        return [
          { kind: 'credential', subject, id, box },
          { kind: 'backup', subject, id: 'backup', box: `set of ${enrollment.id}` },
        ]
      })
      const { id, box, subject } = pending
      expect(found.toSorted(byPlace)).toEqual(
        [...expected, { kind: 'enrollment', subject, id, box }].toSorted(byPlace),
      )
      expect(await records.size()).toBeGreaterThanOrEqual(31)
    })

    it('are exchanged without a trace: version, used steps and expiry stay', async () => {
      const store = await engine.create().open()
      const alice = await enrol(store, 'alice')
      const pending = newEnrollment('bob')
      await store.createEnrollment(pending, start)
      const records = createSealedRecords(store.handle)
      const found = await all(records)
      const boxes = await records.exchange(found.map((record) => ({ record, box: `new ${record.kind}` })))
      expect(boxes).toEqual(found.map(({ kind }) => `new ${kind}`))
      const record = await store.findSubject('alice')
      expect(record).toMatchObject({ version: alice.version, backupSet: 'new backup' })
      const unchanged = credentialOf(alice.enrollment, start)
      expect(record?.credentials).toEqual([{ ...unchanged, box: 'new credential' }])
      expect(await store.findEnrollment(pending.id, start)).toEqual({ ...pending, box: 'new enrollment' })
      expect(await store.findEnrollment(pending.id, pending.expiresAt)).toBeUndefined()
      expect(await alice.use(stepAt(start), start)).toEqual({ outcome: 'replayed' })
      expect(await alice.use(stepAt(start) + 1, start)).toMatchObject({ outcome: 'accepted' })
    })

    it('are not exchanged once another box stands there, and not brought back once they are gone', async () => {
      const store = await engine.create().open()
      await enrol(store, 'alice')
      const bob = newEnrollment('bob')
      await store.createEnrollment(bob, start)
      const records = createSealedRecords(store.handle)
      const found = await all(records)
      const to = (box: string) => found.map((record) => ({ record, box }))
      await records.exchange(to('first'))
      expect(await records.exchange(to('second'))).toEqual(found.map(() => 'first'))
      for (const subject of ['alice', 'bob']) await store.revoke(subject, undefined, start)
      expect(await records.exchange(to('third'))).toEqual(found.map(() => undefined))
      expect(await all(records)).toEqual([])
      expect(await store.status('alice', start)).toBeUndefined()
    })
  })
}

async function all(records: SealedRecords): Promise<SealedRecord[]> {
  const found = new Map<string, SealedRecord>()
  let cursor: string | undefined
  do {
    const page = await records.page(cursor, 7)
    for (const record of page.records) found.set(placeName(record), record)
    cursor = page.cursor
  } while (cursor !== undefined)
  return [...found.values()]
}

const placeName = ({ kind, subject, id }: SealedRecord) => `${kind} ${subject} ${id}`
const byPlace = (one: object, other: object) =>
  placeName(one as SealedRecord) < placeName(other as SealedRecord) ? -1 : 1
