import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const results = 'node_modules/.cache/suite.json'

describe('.ci/run', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'herald-ci-'))
    cpSync('.ci', join(root, '.ci'), { recursive: true })
    mkdirSync(join(root, 'node_modules/.cache'), { recursive: true })
    mkdirSync(join(root, 'bin'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  /** Runs it with an `npm` that does what the script says, from somewhere else than the checkout. */
  function run(npm: string) {
    writeFileSync(join(root, 'bin/npm'), `#!/usr/bin/env bash\necho "npm $*"\n${npm}\n`, { mode: 0o755 })
    const { status, stdout } = spawnSync('bash', [join(root, '.ci/run')], {
      cwd: tmpdir(),
      env: { ...process.env, PATH: `${join(root, 'bin')}:${process.env.PATH}` },
      encoding: 'utf8',
    })
    return { status, lines: stdout.trim().split('\n') }
  }
  const report = (counts: Record<string, number>) => `echo '${JSON.stringify(counts)}' > ${results}`

  it('calls exactly `npm test` and closes with what came of it', () => {
    const { status, lines } = run(report({ numPassedTests: 12, numFailedTests: 0 }))
    expect(status).toBe(0)
    expect(lines[0]).toBe('npm test')
    expect(lines.at(-1)).toBe('12 passed, 0 failed')
  })

  it('tells what was skipped', () => {
    const counts = { numPassedTests: 12, numFailedTests: 0, numPendingTests: 2, numTodoTests: 1 }
    expect(run(report(counts)).lines.at(-1)).toBe('12 passed, 0 failed, 3 skipped')
  })

  it('fails as `npm test` failed', () => {
    const { status, lines } = run(`${report({ numPassedTests: 12, numFailedTests: 2 })}\nexit 3`)
    expect(status).toBe(3)
    expect(lines.at(-1)).toBe('12 passed, 2 failed')
  })

  it('counts a failure when a file of tests could not be loaded', () => {
    const { lines } = run(
      `${report({ numPassedTests: 12, numFailedTests: 0, numFailedTestSuites: 1 })}\nexit 1`,
    )
    expect(lines.at(-1)).toBe('12 passed, 1 failed')
  })

  it('counts a failure when the suite never ran, whatever an earlier run left behind', () => {
    writeFileSync(join(root, results), JSON.stringify({ numPassedTests: 12, numFailedTests: 0 }))
    const { status, lines } = run('exit 2')
    expect(status).toBe(2)
    expect(lines.at(-1)).toBe('0 passed, 1 failed')
  })

  it('does not call it a success when nothing says that anything was tested', () => {
    const { status, lines } = run('exit 0')
    expect(status).toBe(1)
    expect(lines.at(-1)).toBe('0 passed, 1 failed')
  })

  it('does not wait for anybody to type', () => {
    const { lines } = run(`cat; ${report({ numPassedTests: 1, numFailedTests: 0 })}`)
    expect(lines.at(-1)).toBe('1 passed, 0 failed')
  })
})
