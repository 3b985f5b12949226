import { expect, it } from 'vitest'
import { sqliteEngine } from './sqlite.fixture.ts'
import { describeTotpStore } from './store.contract.ts'
import { enrol, start, stepAt } from './totp-store.fixture.ts'

describeTotpStore(sqliteEngine)

const spoilt = (column: string, value: string) => `UPDATE subjects SET ${column} = ${value}`

it.each([
  `json_set(credentials, '$[0].digits', 1)`,
  `json_set(credentials, '$[0].periodSeconds', 0)`,
  `json_set(credentials, '$[0].algorithm', 'MD5')`,
  `'[null]'`,
  `'{}'`,
  `'['`,
])('the store on SQLite is unavailable when somebody set the credentials to %s', async (value) => {
  const store = await sqliteEngine.create().open()
  await enrol(store, 'alice')
  if (store.handle.engine === 'sqlite') store.handle.database.exec(spoilt('credentials', value))
  await expect(store.findSubject('alice')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

it.each(['[]', 'null', '{"streak":"0","totp":[],"backup":[]}', '{"streak":0,"totp":["soon"],"backup":[]}'])(
  'the store on SQLite accepts no step when somebody set the failures to %s',
  async (value) => {
    const store = await sqliteEngine.create().open()
    const { use } = await enrol(store, 'alice')
    if (store.handle.engine === 'sqlite') store.handle.database.exec(spoilt('failures', `'${value}'`))
    await expect(use(stepAt(start + 30_000), start + 30_000)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
  },
)

it.each([
  `json_set(uses, '$[0].step', 'none')`,
  `json_set(uses, '$[0].step', null)`,
  `json_set(uses, '$[0].step', 0.5)`,
  `json_set(uses, '$[0].id', 'c_other')`,
  `json_set(uses, '$[0].at', 'never')`,
  `'[]'`,
  `'[null]'`,
  `'1'`,
  `''`,
])('the store on SQLite accepts no step when somebody set the uses to %s', async (value) => {
  const store = await sqliteEngine.create().open()
  const { use } = await enrol(store, 'alice')
  if (store.handle.engine === 'sqlite') store.handle.database.exec(spoilt('uses', value))
  await expect(use(stepAt(start + 30_000), start + 30_000)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})

it('the store on SQLite settles nothing once its marker is gone', async () => {
  const testStore = sqliteEngine.create()
  const { use } = await enrol(await testStore.open(), 'alice')
  await testStore.loseMarker()
  await expect(use(stepAt(start + 30_000), start + 30_000)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})
