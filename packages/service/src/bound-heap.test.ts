import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)

async function youngMebibytes(how: 'free' | 'bound'): Promise<number> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'bound-heap.fixture.ts'), how])
  return Number(stdout) / 1024 / 1024
}

it('holds the young generation of a running process at 16 MiB, where V8 itself goes beyond', async () => {
  expect(await youngMebibytes('free')).toBeGreaterThan(20)
  expect(await youngMebibytes('bound')).toBeLessThanOrEqual(16)
})
