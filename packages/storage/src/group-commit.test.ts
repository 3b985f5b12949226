import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import { createGroupCommit, type GroupCommit } from './group-commit.ts'
import { StoreUnavailable } from './store-unavailable.ts'

describe('settle', () => {
  let database: DatabaseSync
  let commits: GroupCommit
  let isOurs: boolean

  beforeEach(() => {
    database = new DatabaseSync(':memory:')
    database.exec(`
      CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
      CREATE TABLE notes (
        id INTEGER PRIMARY KEY,
        parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED
      ) STRICT;`)
    isOurs = true
    commits = createGroupCommit(database, () => {
      if (!isOurs) throw new StoreUnavailable('not ours')
    })
  })

  const insert =
    (id: number, parent: number | null = null) =>
    () =>
      database.prepare('INSERT INTO notes VALUES (?, ?)').run(id, parent).changes
  const count = () => database.prepare('SELECT count(*) AS notes FROM notes').get()?.['notes']

  it('answers each work with its own result', async () => {
    const answers = await Promise.all([commits.settle(() => 'one'), commits.settle(() => 'two')])
    expect(answers).toEqual(['one', 'two'])
  })

  it('undoes a work that throws and keeps those around it', async () => {
    const answers = await Promise.allSettled([
      commits.settle(insert(1)),
      commits.settle(() => {
        insert(2)()
        throw new Error('refused')
      }),
      commits.settle(insert(3)),
    ])
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(answers[1]).toMatchObject({ reason: { message: 'refused' } })
    expect(count()).toBe(2)
  })

  it('fails every work of a transaction that cannot be committed', async () => {
    const answers = await Promise.allSettled([commits.settle(insert(1)), commits.settle(insert(2, 404))])
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } })
    expect(count()).toBe(0)
    await expect(commits.settle(insert(3))).resolves.toBe(1)
  })

  it('fails every work when the transaction ends underneath it', async () => {
    const answers = await Promise.allSettled([
      commits.settle(insert(1)),
      commits.settle(() => {
        database.exec('ROLLBACK')
        throw new Error('disk full')
      }),
    ])
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } })
    expect(count()).toBe(0)
  })

  it('does nothing, and says why, while the store is not ours', async () => {
    isOurs = false
    const answers = await Promise.allSettled([commits.settle(insert(1)), commits.settle(insert(2))])
    for (const answer of answers) expect(answer).toMatchObject({ reason: new StoreUnavailable('not ours') })
    isOurs = true
    await commits.settle(insert(3))
    expect(count()).toBe(1)
  })

  it('shares one transaction among the works of a tick', async () => {
    const seen = await Promise.all([
      commits.settle(() => {
        insert(1)()
        return database.isTransaction
      }),
      commits.settle(() => count()),
    ])
    expect(seen).toEqual([true, 1])
  })

  it('takes what the next turn of the event loop brings into the transaction of several works', async () => {
    const [first] = [commits.settle(insert(1)), commits.settle(insert(2))]
    setImmediate(() => void commits.settle(insert(3)))
    await first
    expect(count()).toBe(3)
  })

  it('leaves what is more than sixteen works to the next turn of the event loop', async () => {
    const works = Array.from({ length: 17 }, (_, id) => commits.settle(insert(id)))
    await works[0]
    expect(count()).toBe(16)
    await works[16]
    expect(count()).toBe(17)
  })

  it('flushes all that waits, however many works it is', async () => {
    const works = Array.from({ length: 40 }, (_, id) => commits.settle(insert(id)))
    commits.flush()
    expect(count()).toBe(40)
    await expect(Promise.all(works)).resolves.toHaveLength(40)
  })
})
