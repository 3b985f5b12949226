import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runCommand } from './run-command.ts'

function createOperator() {
  const folder = mkdtempSync(join(tmpdir(), 'herald-totp-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'totp.sqlite')
  const env = {
    API_KEY: 'api-key-of-the-tests-4f81c0a97d23be65',
    HERALD_TOTP_ENCRYPTION_KEY: `hex:${randomBytes(32).toString('hex')}`,
    SQLITE_PATH: path,
  }
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  const unlock = () => runCommand(['unlock', 'alice'], { env, now: Date.now, randomBytes, print })
  return { path, lines, unlock }
}

/** Holds the file for longer than a service would wait for it; a thread of its own, since who waits for SQLite blocks. */
const holder = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(workerData)
  database.exec('BEGIN IMMEDIATE')
  parentPort.postMessage('held')
  setTimeout(() => database.exec('COMMIT'), 300)
`

describe('unlock', () => {
  it('says when the store it was pointed at held nothing', async () => {
    const { lines, unlock } = createOperator()
    expect([await unlock(), await unlock()]).toEqual([0, 0])
    expect(lines).toEqual([expect.stringContaining('empty store'), 'unlocked', 'unlocked'])
  })

  it('waits for a service that is busy with the file', async () => {
    const { path, unlock } = createOperator()
    await unlock()
    const service = new Worker(holder, { eval: true, workerData: path })
    const ended = once(service, 'exit')
    await once(service, 'message')
    expect(await unlock()).toBe(0)
    await ended
  })
})
