import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findExecutable } from './find-executable.ts'

const run = promisify(execFile)

/** A Chromium on PATH; where there is none and CI is set, the system's package, with letters for every language of a mail. */
export async function obtainChromium(): Promise<string | undefined> {
  const located = locate()
  if (located !== undefined || !process.env['CI']) return located
  await run('apt-get', ['update']).catch(() => undefined)
  const packages = ['chromium', 'fonts-dejavu-core', 'fonts-liberation', 'fonts-noto-cjk']
  await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages]).catch(() => undefined)
  return locate()
}

function locate(): string | undefined {
  return findExecutable(['chromium', 'chromium-browser', 'google-chrome'])
}
