import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'

type Task = {
  taskId: string
  inputs: Record<string, string>
  dependencies: string[]
  resolvedTaskDefinition: { cache: boolean; outputs: string[] }
}

const bundles = ['herald-smtp#build', 'herald-totp#build']
const checks = ['//#format', '//#lint', '//#types']

describe('the pipeline', () => {
  const tasks = new Map<string, Task>()
  beforeAll(() => {
    const plan = execFileSync('turbo', ['run', 'suite', 'suite:full', '--dry=json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    })
    for (const task of (JSON.parse(plan) as { tasks: Task[] }).tasks) tasks.set(task.taskId, task)
  })

  it.each(['//#suite', '//#suite:full'])(
    'runs %s after every check and on fresh bundles, and never from a cache',
    (id) => {
      const suite = tasks.get(id)
      expect(suite?.dependencies.toSorted()).toEqual([...checks, ...bundles].toSorted())
      expect(suite?.resolvedTaskDefinition.cache).toBe(false)
    },
  )

  it.each(checks)('repeats %s whenever a file of ours changed, and reads none that git ignores', (id) => {
    const inputs = Object.keys(tasks.get(id)?.inputs ?? {})
    const ours = globSync([
      '{apps,packages}/*/{src,test}/**/*.ts',
      'test/*.ts',
      '*.json',
      '*.ts',
      'pnpm-lock.yaml',
    ])

    expect(inputs).toEqual(expect.arrayContaining(ours))
    expect(
      inputs.filter((file) => /(^|\/)(node_modules|dist|\.herald|\.cache|\.turbo)\//.test(file)),
    ).toEqual([])
  })

  it.each(bundles)('builds %s again whenever a package it bundles changed', (id) => {
    const inputs = Object.keys(tasks.get(id)?.inputs ?? {})
    const packages = globSync('packages/*/src/**/*.ts').map((file) => `../../${file}`)

    expect(inputs).toEqual(expect.arrayContaining([...packages, '../../pnpm-lock.yaml']))
    expect(tasks.get(id)?.resolvedTaskDefinition.outputs).toEqual(['dist/**'])
  })

  it.each(['build', 'test', 'test:full'])('installs first and reports to nobody in npm run %s', (name) => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(scripts[`pre${name}`]).toBe('npm run setup')
    expect(scripts[name]).toMatch(/^TURBO_TELEMETRY_DISABLED=1 exec turbo run /)
  })
})
