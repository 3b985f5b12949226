import { createKeyring, type Keyring } from '@herald/crypto'
import { createHashes, createLease } from '@herald/storage'
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openTotpStore } from '../store/open-totp-store.ts'
import { createSealedRecords, type SealedRecord, type SealedRecords } from '../store/sealed-records.ts'
import { credentialOf, newEnrollment, policy, rightCode, slotOf, start } from '../store/totp-store.fixture.ts'
import { contextOf } from './box-context.ts'
import { rekey, type RekeyDeps, type RekeyOptions } from './rekey.ts'

const keys = ['old', 'older', 'new'].map((id) => ({ id, key: randomBytes(32), state: 'enabled' as const }))
const ringOf = (primaryId: string) => createKeyring({ primaryId, entries: keys, randomBytes })
const rings: Record<string, Keyring> = { old: ringOf('old'), older: ringOf('older'), new: ringOf('new') }
/** Two boxes a page. */
const options: RekeyOptions = { dryRun: false, ratePerSecond: 8, leaseMs: 1000 }
const silent = { debug() {}, info() {}, warn() {}, error() {} }

class Killed extends Error {}

const plaintextOf = ({ kind, subject }: SealedRecord) => Buffer.from(`${kind} of ${subject}`)
const sealUnder = (keyId: string, record: SealedRecord) =>
  rings[keyId]!.seal(contextOf(record), plaintextOf(record))

/** A store with one subject for each key id: its boxes are under that key, and the process dies when it is told to. */
async function openWorld(keyIds: readonly string[]) {
  const store = await openTotpStore(
    { engine: 'sqlite', path: ':memory:' },
    { policy, unknownSlot: slotOf, now: () => start, randomBytes, logger: silent },
  )
  for (const [index, keyId] of keyIds.entries()) {
    const subject = `subject ${index}`
    const enrollment = newEnrollment(subject)
    const place = { subject, id: enrollment.id, box: '' }
    const box = sealUnder(keyId, { ...place, kind: 'enrollment' })
    await store.createEnrollment({ ...enrollment, box }, start)
    if (index % 3 === 2) continue
    const { id } = credentialOf(enrollment, start)
    const credential = sealUnder(keyId, { subject, id, box: '', kind: 'credential' })
    const right = rightCode(enrollment)
    const backupSet = sealUnder(keyId, { ...place, kind: 'backup' })
    const verdict = { ...right, credential: { ...right.credential, box: credential }, backupSet }
    await store.settleEnrollment(enrollment.id, verdict, start)
  }
  const records = createSealedRecords(store.handle)
  const hashes = createHashes(store.handle, { prefix: 'totp:' })
  let callsLeft = Number.POSITIVE_INFINITY
  const mortal = <A extends unknown[], R>(verb: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      callsLeft -= 1
      if (callsLeft < 0) throw new Killed()
      return verb(...args)
    }
  }
  const deps: RekeyDeps = {
    records: { ...records, page: mortal(records.page), exchange: mortal(records.exchange) },
    keyring: rings['new']!,
    hashes: { ...hashes, write: mortal(hashes.write) },
    lease: createLease(store.handle, { name: 'totp:rekey:lock' }),
    holder: 'holder',
    now: () => start,
    pause: async () => {},
    report: () => {},
  }
  const all = async () =>
    (await Promise.all(tables.map((from) => records.page(from, 1000)))).flatMap((page) => page.records)
  return { deps, records, all, close: () => store.close(), dieAfter: (calls: number) => (callsLeft = calls) }
}

/** Cursors at the beginning of each table of SQLite. */
const tables = ['subjects', 'enrollments']

describe('rekey', () => {
  it('ends with every box under the primary key and its content unchanged, however often it is killed', async () => {
    const keyIds = fc.array(fc.constantFrom('old', 'older', 'new'), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(keyIds, fc.array(fc.nat({ max: 8 }), { maxLength: 4 }), async (ids, deaths) => {
        const { deps, all, dieAfter, close } = await openWorld(ids)
        const count = (await all()).length
        for (const calls of deaths) {
          dieAfter(calls)
          await rekey(deps, options).catch((error: unknown) => expect(error).toBeInstanceOf(Killed))
        }
        dieAfter(Number.POSITIVE_INFINITY)
        expect(await rekey(deps, options)).toMatchObject({ outcome: 'complete', failed: 0, remaining: {} })
        const found = await all()
        expect(found).toHaveLength(count)
        for (const record of found) {
          expect(record.box).toMatch(/^e1\.new\./)
          expect(rings['new']!.open(contextOf(record), record.box)).toEqual(plaintextOf(record))
        }
        await close()
      }),
    )
  })

  it('is idempotent: a second run writes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('old', 'older', 'new'), { maxLength: 12 }), async (ids) => {
        const { deps, all, close } = await openWorld(ids)
        await rekey(deps, options)
        const before = await all()
        const again = await rekey(deps, options)
        expect(again).toMatchObject({ outcome: 'complete', done: 0, skipped: before.length })
        expect(await all()).toEqual(before)
        await close()
      }),
    )
  })

  it('begins anew when the checkpoint is of another primary key', async () => {
    const { deps, dieAfter, close } = await openWorld(['old', 'old', 'old'])
    dieAfter(4)
    await rekey({ ...deps, keyring: rings['older']! }, options).catch(() => {})
    dieAfter(Number.POSITIVE_INFINITY)
    expect(await rekey(deps, options)).toMatchObject({ outcome: 'complete', done: 5, remaining: {} })
    await close()
  })

  it('does nothing while another one runs, and stops when another one took over', async () => {
    const { deps, close } = await openWorld(['old', 'old'])
    await deps.lease.take('other', 1000, start)
    expect(await rekey(deps, options)).toEqual({ outcome: 'locked' })
    await deps.lease.release('other')
    const stealing = async () => void (await deps.lease.take('other', 1000, start + 2000))
    expect(await rekey({ ...deps, pause: stealing }, options)).toEqual({ outcome: 'locked' })
    await close()
  })

  it('leaves alone what somebody else put there meanwhile, and says so unless it is right', async () => {
    const { deps, records, all, close } = await openWorld(['old'])
    const exchange: SealedRecords['exchange'] = async (exchanges) => {
      const others = { backup: 'older', credential: 'new', enrollment: 'new' }
      await records.exchange(
        exchanges.map(({ record }) => ({ record, box: sealUnder(others[record.kind], record) })),
      )
      return records.exchange(exchanges)
    }
    const summary = await rekey({ ...deps, records: { ...records, exchange } }, options)
    expect(summary).toMatchObject({
      outcome: 'partial',
      done: 0,
      skipped: 1,
      failed: 1,
      remaining: { older: 1 },
    })
    expect(await all()).toHaveLength(2)
    await close()
  })
})
