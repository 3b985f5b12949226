import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { asSink, openStandardOutput } from './standard-output.ts'

it('has written a line when it is flushed, also one behind a write under way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-output-'))
  const path = join(folder, 'out')
  const output = openStandardOutput(openSync(path, 'w'))
  onTestFinished(() => {
    // Closes the file, and ends what would be written to it every tenth of a second.
    output.destroy()
    rmSync(folder, { recursive: true })
  })
  const sink = asSink(output)
  const large = `${'x'.repeat(16_000)}\n`
  sink.write(large)
  sink.write('behind\n')
  await sink.flush()
  expect(readFileSync(path, 'utf8')).toBe(`${large}behind\n`)
})
