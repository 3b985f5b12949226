import { expect, it } from 'vitest'
import { sqliteEngine } from './sqlite.fixture.ts'
import { describeTotpStore } from './store.contract.ts'
import { enrol, start, stepAt } from './totp-store.fixture.ts'

describeTotpStore(sqliteEngine)

it.each(['digits = 1', 'period_seconds = 0', `algorithm = 'MD5'`])(
  'the store on SQLite is unavailable when somebody set %s',
  async (spoilt) => {
    const store = await sqliteEngine.create().open()
    await enrol(store, 'alice')
    if (store.handle.engine === 'sqlite') store.handle.database.exec(`UPDATE credentials SET ${spoilt}`)
    await expect(store.findSubject('alice')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  },
)

it('the store on SQLite settles nothing once its marker is gone', async () => {
  const testStore = sqliteEngine.create()
  const { use } = await enrol(await testStore.open(), 'alice')
  await testStore.loseMarker()
  await expect(use(stepAt(start + 30_000), start + 30_000)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})
