import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { runCommand } from './run-command.ts'

it('unlock says when the store it was pointed at held nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-totp-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const env = {
    API_KEY: 'api-key-of-the-tests-4f81c0a97d23be65',
    HERALD_TOTP_ENCRYPTION_KEY: `hex:${randomBytes(32).toString('hex')}`,
    SQLITE_PATH: join(folder, 'totp.sqlite'),
  }
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  const world = { env, now: Date.now, randomBytes, print }
  const unlock = () => runCommand(['unlock', 'alice'], world)
  expect([await unlock(), await unlock()]).toEqual([0, 0])
  expect(lines).toEqual([expect.stringContaining('empty store'), 'unlocked', 'unlocked'])
})
