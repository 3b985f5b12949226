import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { checkAuditFile, openAuditFile } from './audit-file.ts'

function inFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'herald-audit-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'audit.log')
}

function open(path: string) {
  const seen = { faults: [] as unknown[], written: 0, lost: 0 }
  const file = openAuditFile(path, {
    fault: (error) => void seen.faults.push(error),
    written: () => void seen.written++,
    lost: () => void seen.lost++,
  })
  return { ...file, seen }
}

it('appends to a file that its owner alone can read', async () => {
  const path = inFolder()
  for (const line of ['one\n', 'two\n']) {
    const file = open(path)
    file.write(line)
    await file.flush()
  }
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

it('refuses a file that others can write, and a path that is none', () => {
  const path = inFolder()
  writeFileSync(path, '')
  chmodSync(path, 0o622)
  for (const refuse of [open, checkAuditFile]) {
    expect(() => refuse(path)).toThrow('can be written by others')
    expect(() => refuse(join(path, 'below'))).toThrow('cannot be opened for appending (ENOTDIR)')
  }
})

it('makes no file for who only asks whether it could hold the trail', () => {
  const path = inFolder()
  checkAuditFile(path)
  expect(existsSync(path)).toBe(false)
})

it('writes on in a new file once a rotation has taken the old one away', async () => {
  const path = inFolder()
  const file = open(path)
  file.write('one\n')
  await file.flush()
  renameSync(path, `${path}.1`)
  file.reopen()
  file.write('two\n')
  await expect.poll(() => readFileSync(path, 'utf8')).toBe('two\n')
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\n')
})

it('writes what waits before a process ends, without a turn of the event loop', () => {
  const path = inFolder()
  const file = open(path)
  file.write('one\n')
  file.write('two\n')
  file.flushNow()
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
})

// Ten times: which of two writes is first is a matter of luck where none waits for the other.
it.each(Array.from({ length: 10 }, (_, n) => n))(
  'keeps the order of lines when the process ends during a write (%i)',
  async () => {
    const path = inFolder()
    const file = open(path)
    file.write('one\n')
    const flushed = file.flush()
    file.write('two\n')
    file.flushNow()
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
    await flushed
  },
)

it.skipIf(process.platform !== 'linux')(
  'tells of a write that failed, and writes every line in order once the disk has room',
  async () => {
    const path = inFolder()
    symlinkSync('/dev/full', path)
    const file = open(path)
    file.write('one\n')
    await expect(file.flush()).rejects.toThrow('ENOSPC')
    expect(file.seen).toMatchObject({ faults: [{ code: 'ENOSPC' }], written: 0, lost: 0 })
    file.write('two\n')
    rmSync(path)
    file.reopen()
    await expect.poll(() => readFileSync(path, 'utf8'), { timeout: 5000 }).toBe('one\ntwo\n')
  },
)

it.skipIf(process.platform !== 'linux')('tells of each line that no longer fits into memory', () => {
  const file = open('/dev/full')
  const line = `${'x'.repeat(1024 * 1024 - 1)}\n`
  for (let n = 0; n < 10; n++) file.write(line)
  expect(file.seen.lost).toBe(2)
})
