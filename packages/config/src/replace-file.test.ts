import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FileBusyError, replaceFile } from './replace-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'herald-replace-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newPath = () => join(folder, `file-${files++}`)

describe('replaceFile', () => {
  it('begins a file that its owner alone can read', () => {
    const path = newPath()
    replaceFile(path, (found) => `found ${found}`)
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['found undefined', 0o600])
  })

  it('gives others no right that they did not have, and takes away all but reading by the group', () => {
    for (const [before, after] of [
      [0o600, 0o600],
      [0o640, 0o640],
      [0o664, 0o640],
    ] as const) {
      const path = newPath()
      writeFileSync(path, 'old', { mode: 0o600 })
      execFileSync('chmod', [before.toString(8), path])
      replaceFile(path, (found) => `${found}, new`)
      expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['old, new', after])
    }
  })

  it('replaces what a link leads to and leaves the link', () => {
    const [path, link] = [newPath(), newPath()]
    writeFileSync(path, 'old')
    symlinkSync(path, link)
    replaceFile(link, () => 'new')
    expect(readFileSync(path, 'utf8')).toBe('new')
  })

  it('leaves the old text, and no draft, when there is none to put in its place', () => {
    const path = newPath()
    writeFileSync(path, 'old')
    const change = () => {
      throw new Error('no change')
    }
    expect(() => replaceFile(path, change)).toThrow('no change')
    expect([readFileSync(path, 'utf8'), existsSync(`${path}.new`)]).toEqual(['old', false])
  })

  it('refuses a second change at once', () => {
    const path = newPath()
    const change = () => {
      replaceFile(path, () => 'inner')
      return 'outer'
    }
    expect(() => replaceFile(path, change)).toThrow(FileBusyError)
  })

  it('leaves the old text when the disk takes only a part of the new one', () => {
    const path = newPath()
    writeFileSync(path, 'old')
    const module = JSON.stringify(new URL('replace-file.ts', import.meta.url).href)
    const script = `import { replaceFile } from ${module}; replaceFile(process.env.AT, () => 'x'.repeat(100_000))`
    const words = ['ulimit -f 8; exec "$0" --input-type=module --eval "$1"', process.execPath, script]
    const env = { ...process.env, AT: path }
    expect(() => execFileSync('sh', ['-c', ...words], { env, stdio: 'pipe' })).toThrow('EFBIG')
    expect([readFileSync(path, 'utf8'), existsSync(`${path}.new`)]).toEqual(['old', false])
  })
})
