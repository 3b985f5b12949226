import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openUnnamed } from './sqlite-unnamed.ts'

const fixture = fileURLToPath(new URL('sqlite-unnamed.fixture.ts', import.meta.url))
const onFullDisk = 'ulimit -f 512; exec "$0" "$1"'

function isInFile(database: ReturnType<typeof openUnnamed>): boolean {
  const file = database.prepare('PRAGMA database_list').get()?.['file']
  database.close()
  return file !== ''
}

it('goes on after its disk was full, with all that it held', () => {
  const output = execFileSync('/bin/sh', ['-c', onFullDisk, process.execPath, fixture], { encoding: 'utf8' })
  const { taken, kept, takenAgain } = JSON.parse(output) as Record<string, number>
  expect(taken).toBeGreaterThan(100)
  expect(kept).toBe(taken)
  expect(takenAgain).toBe(taken)
})

it('stays in memory where the disk has too little room', () => {
  expect(isInFile(openUnnamed(0))).toBe(true)
  expect(isInFile(openUnnamed(Number.MAX_SAFE_INTEGER))).toBe(false)
})
