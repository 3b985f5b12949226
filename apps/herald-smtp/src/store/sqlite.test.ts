import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openSmtpStore } from './open-smtp-store.ts'
import { describeStore } from './store.contract.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

const open = () =>
  openSmtpStore(
    { engine: 'sqlite', path: join(folder, 'store.sqlite') },
    { now: () => 1_800_000_000_000, randomBytes, logger: silent },
  )

describeStore('SQLite', async () => [(await open()).calls, (await open()).calls])

describe('the SQLite store', () => {
  const claim = {
    id: 'durable',
    fingerprint: 'k1.same',
    owner: 'first',
    messageId: 'first@x.example',
    leaseUntil: 6_000,
    expiresAt: 300_000,
    once: false,
  }

  it('still knows a claim after it was opened again', async () => {
    const before = await open()
    await before.calls.claim(claim, 0)
    await before.calls.close()
    const after = await open()
    expect(await after.calls.claim({ ...claim, owner: 'second' }, 5_000)).toEqual({ outcome: 'sending' })
    await after.calls.close()
  })

  it('stays as small as what it still has to know', async () => {
    const { calls, handle } = await open()
    for (let n = 0; n < 50; n++) {
      await calls.claim({ ...claim, id: `old-${n}`, expiresAt: 400_000 + n }, 400_000 + n)
    }
    if (handle.engine !== 'sqlite') throw new Error('opened another engine')
    expect(handle.database.prepare('SELECT count(*) AS n FROM smtp_calls').get()?.['n']).toBeLessThan(20)
    await calls.close()
  })
})
