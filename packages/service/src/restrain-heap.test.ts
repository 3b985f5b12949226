import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)

async function youngMebibytes(how: 'free' | 'restrained'): Promise<number> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'restrain-heap.fixture.ts'), how])
  return Number(stdout) / 1024 / 1024
}

it('keeps the young generation of a process of short turns at 16 MiB, where V8 itself goes beyond', async () => {
  expect(await youngMebibytes('free')).toBeGreaterThan(20)
  expect(await youngMebibytes('restrained')).toBeLessThanOrEqual(16)
})
