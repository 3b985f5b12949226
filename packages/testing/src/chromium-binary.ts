import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { isExecutable } from './is-executable.ts'

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
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(isExecutable)
}
