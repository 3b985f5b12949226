import type { KeyringSettings } from '@herald/crypto'
import { createHashes } from '@herald/storage'
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { openTotpStore } from '../store/open-totp-store.ts'
import { policy, slotOf, start } from '../store/totp-store.fixture.ts'
import { createCanaries } from './canary.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const ringOf = (id: string): KeyringSettings => ({
  primaryId: id,
  entries: [{ id, key: randomBytes(32), state: 'enabled' }],
})

async function openHashes() {
  const options = { policy, unknownSlot: slotOf, now: () => start, randomBytes, logger: silent }
  const store = await openTotpStore({ engine: 'sqlite', path: ':memory:' }, options)
  return createHashes(store.handle, { prefix: 'totp:' })
}

it.each(['k1', 'constructor'])(
  'a key called %s leaves a canary, so that a keyring without it is refused',
  async (id) => {
    const hashes = await openHashes()
    const problemsOf = (settings: KeyringSettings) =>
      createCanaries(settings, { hashes, randomBytes }).problems()
    expect(await problemsOf(ringOf(id))).toEqual([])
    expect(await problemsOf(ringOf('other'))).toEqual([expect.stringContaining(`the store needs key ${id}`)])
    expect(await problemsOf(ringOf(id))).toEqual([expect.stringContaining(`key ${id} is the wrong one`)])
  },
)
