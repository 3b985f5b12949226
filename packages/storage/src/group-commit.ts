import type { DatabaseSync } from 'node:sqlite'
import { asSqliteFault } from './sqlite-fault.ts'
import { StoreUnavailable } from './store-unavailable.ts'

export type GroupCommit = {
  /** Runs `work` in a shared transaction; resolves after the sync to disk, rejects with what `work` threw, undone alone. */
  settle: <T>(work: () => T) => Promise<T>
  /** Runs what still waits, at once. */
  flush: () => void
}

type Job = { run: () => unknown; resolve: (value: never) => void; reject: (error: unknown) => void }

/** Beyond it a transaction, and the answers that its end sends on their way, would keep the event loop from all others. */
const batchMax = 16

/**
 * Settles that arrive while each turn of the event loop brings more share one transaction, so that they also share its sync
 * to disk. When there are many, each turn commits some of them, in the order in which they came. Each transaction begins
 * with `check`, and when that throws nothing of it is done.
 */
export function createGroupCommit(database: DatabaseSync, check: () => void): GroupCommit {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const savepoint = database.prepare('SAVEPOINT work')
  const release = database.prepare('RELEASE work')
  const jobs: Job[] = []

  function runJob(job: Job): () => void {
    savepoint.run()
    try {
      const value = job.run()
      release.run()
      return () => job.resolve(value as never)
    } catch (error) {
      // A full disk or an I/O error may have ended the whole transaction: then it fails for all.
      if (!database.isTransaction) throw error
      database.exec('ROLLBACK TO work; RELEASE work')
      return () => job.reject(asSqliteFault(error))
    }
  }

  /** Whoever holds the file makes this wait; those who come next must not wait for him one batch after the other. */
  function beginFor(batch: Job[]): void {
    try {
      begin.run()
    } catch (error) {
      batch.push(...jobs.splice(0))
      throw error
    }
  }

  function commitSome(): void {
    const batch = jobs.splice(0, batchMax)
    if (batch.length === 0) return
    if (jobs.length > 0) setImmediate(commitSome)
    try {
      beginFor(batch)
      check()
      const answers = batch.map(runJob)
      commit.run()
      for (const answer of answers) answer()
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
      const fault =
        error instanceof StoreUnavailable
          ? error
          : new StoreUnavailable('the SQLite transaction could not be completed', { cause: error })
      for (const job of batch) job.reject(fault)
    }
  }

  function gather(seen: number): void {
    if (jobs.length <= seen || jobs.length >= batchMax) commitSome()
    else setImmediate(gather, jobs.length)
  }

  function flush(): void {
    while (jobs.length > 0) commitSome()
  }

  function settle<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (jobs.push({ run: work, resolve, reject }) === 1) setImmediate(gather, 1)
    })
  }

  return { settle, flush }
}
