import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readConfigFile } from './read-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'herald-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function write(content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, `file-${files++}`)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe('readConfigFile', () => {
  it('reads the text as it stands', () => {
    expect(readConfigFile(write('línea\n\n'))).toMatchObject({ ok: true, text: 'línea\n\n' })
  })

  it.each([
    [0o600, false, false],
    [0o400, false, false],
    [0o440, false, false],
    [0o644, false, true],
    [0o604, false, true],
    [0o620, true, false],
    [0o602, true, false],
    [0o666, true, true],
  ])('sees what mode %o lets others do', (mode, writableByOthers, readableByOthers) => {
    expect(readConfigFile(write('text', mode))).toMatchObject({
      ok: true,
      writableByOthers,
      readableByOthers,
    })
  })

  it('judges the file a link leads to', () => {
    const link = join(folder, 'link')
    symlinkSync(write('text', 0o644), link)
    expect(readConfigFile(link)).toMatchObject({ ok: true, readableByOthers: true })
  })

  it.each([
    ['a file that is not there', () => join(folder, 'none'), /does not exist/],
    ['a path through a file', () => join(write(''), 'x'), /does not exist/],
    ['a folder', () => folder, /regular file/],
    ['a device', () => '/dev/zero', /regular file/],
    ['more than 64 KiB', () => write('x'.repeat(65_537)), /larger than 64 KiB/],
    ['bytes that are not UTF-8', () => write(Uint8Array.of(0x61, 0xff)), /not UTF-8/],
    ['a path no file can have', () => 'a\0b', /cannot be read/],
  ])('refuses %s without repeating the path', (_, path, message) => {
    const reading = readConfigFile(path())
    expect(reading).toEqual({ ok: false, message: expect.stringMatching(message) })
    expect(JSON.stringify(reading)).not.toContain(folder)
  })

  it.runIf(process.platform === 'linux')(
    'reads to the end a file whose size the system does not state',
    () => {
      expect(readConfigFile('/proc/sys/kernel/ostype')).toMatchObject({ text: 'Linux\n' })
    },
  )

  it('takes exactly 64 KiB', () => {
    expect(readConfigFile(write('x'.repeat(65_536)))).toMatchObject({ ok: true })
  })
})
