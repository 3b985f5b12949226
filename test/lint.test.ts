import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const binary = join(root, 'node_modules/.bin/oxlint')

type Violation = { file: string; code: string; rule: string }

/** One broken line for each rule that stands for a promise of the code; the file name says where it is forbidden. */
const violations: Violation[] = [
  {
    file: 'apps/herald-totp/src/app.ts',
    code: 'export const a = process.env',
    rule: 'no-restricted-globals',
  },
  {
    file: 'apps/herald-totp/src/commands/a.ts',
    code: "export * from 'node:process'",
    rule: 'no-restricted-imports',
  },
  { file: 'packages/auth/src/a.ts', code: 'export const a = Date.now()', rule: 'no-restricted-properties' },
  {
    file: 'packages/auth/src/b.ts',
    code: 'export const a = Math.random()',
    rule: 'no-restricted-properties',
  },
  {
    file: 'packages/auth/src/c.ts',
    code: "export { randomBytes } from 'node:crypto'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/routes/answer.ts',
    code: 'export const a = (c: { json: () => void }) => c.json()',
    rule: 'no-restricted-properties',
  },
  { file: 'apps/herald-totp/src/a.ts', code: "export * from 'otplib'", rule: 'no-restricted-imports' },
  { file: 'apps/herald-totp/src/domain/a.ts', code: "export * from 'otplib'", rule: 'no-restricted-imports' },
  { file: 'apps/herald-totp/src/domain/b.ts', code: "export * from 'hono'", rule: 'no-restricted-imports' },
  {
    file: 'apps/herald-totp/src/domain/c.ts',
    code: "export * from 'node:sqlite'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/domain/d.ts',
    code: "export * from 'ioredis'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/domain/e.ts',
    code: "export * from '../store/redis.ts'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/domain/f.ts',
    code: "export * from '../routes/verify.ts'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/domain/totp.ts',
    code: "export * from 'hono'",
    rule: 'no-restricted-imports',
  },
  { file: 'apps/herald-totp/src/store/a.ts', code: "export * from 'hono'", rule: 'no-restricted-imports' },
  {
    file: 'apps/herald-totp/src/routes/a.ts',
    code: "export * from 'ioredis'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/routes/b.ts',
    code: "export * from 'herald-smtp'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/routes/c.ts',
    code: "export * from '../../../herald-smtp/src/app.ts'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/routes/d.ts',
    code: "export * from '@herald/testing'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-totp/src/main.ts',
    code: "export * from '@herald/crypto/src/box.ts'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-smtp/src/domain/a.ts',
    code: "export * from 'nodemailer'",
    rule: 'no-restricted-imports',
  },
  {
    file: 'apps/herald-smtp/src/mailer/opening.ts',
    code: "export * from 'hono'",
    rule: 'no-restricted-imports',
  },
  { file: 'packages/crypto/src/NotKebab.ts', code: 'export const a = 1', rule: 'filename-case' },
  {
    file: 'packages/crypto/src/a.ts',
    code: 'export const a = (b: any): string => String(b)',
    rule: 'no-explicit-any',
  },
  {
    file: 'packages/crypto/src/b.ts',
    code: 'export const b = () => { Promise.resolve(1) }',
    rule: 'no-floating-promises',
  },
  {
    file: 'packages/crypto/src/c.ts',
    code: 'export const c = (run: () => Promise<boolean>) => { if (run()) return 1; return 2 }',
    rule: 'no-misused-promises',
  },
  {
    file: 'packages/crypto/src/d.ts',
    code: 'export const d = async () => { await 1 }',
    rule: 'await-thenable',
  },
  {
    file: 'packages/crypto/src/e.ts',
    code: "import { Buffer } from 'node:buffer'\nexport const e = (b: Buffer) => b.length",
    rule: 'consistent-type-imports',
  },
  {
    file: 'packages/crypto/src/f.ts',
    code: "export const f: string = JSON.parse('1')",
    rule: 'no-unsafe-assignment',
  },
  {
    file: 'packages/crypto/src/g.ts',
    code: "export const g = () => { throw 'text' }",
    rule: 'only-throw-error',
  },
  {
    file: 'packages/crypto/src/h.ts',
    code: "export const h = (k: 'a' | 'b') => { switch (k) { case 'a': return 1 } return 2 }",
    rule: 'switch-exhaustiveness-check',
  },
  {
    file: 'packages/crypto/src/i.ts',
    code: 'export const i = (a?: string) => a!.length',
    rule: 'no-non-null-assertion',
  },
  { file: 'packages/crypto/src/j.ts', code: 'export const j = () => console.log(1)', rule: 'no-console' },
  { file: 'packages/crypto/src/k.ts', code: 'export default 1', rule: 'no-default-export' },
  {
    file: 'packages/crypto/src/l.ts',
    code: "export { l } from './m.ts'\nexport const n = 1",
    rule: 'no-cycle',
  },
]

/** The same words where they belong: nothing here may be reported. */
const allowed: Omit<Violation, 'rule'>[] = [
  { file: 'apps/herald-smtp/src/main.ts', code: 'export const a = [process.env, Date.now()]' },
  { file: 'apps/herald-smtp/src/store/redis.ts', code: "export type { Redis } from 'ioredis'" },
  { file: 'apps/herald-smtp/src/domain/mime.ts', code: "export * from 'nodemailer/lib/qp'" },
  { file: 'packages/storage/src/a.ts', code: "export type { DatabaseSync } from 'node:sqlite'" },
  { file: 'packages/testing/src/a.ts', code: 'export const a = [process.env, Date.now()]' },
]

describe('the lint configuration', () => {
  let directory: string
  let reported: Map<string, string[]>

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'herald-lint-'))
    for (const name of ['.oxlintrc.json', 'tsconfig.json', 'tsconfig.base.json']) {
      await cp(join(root, name), join(directory, name))
    }
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
    const cycle = { file: 'packages/crypto/src/m.ts', code: "export { n as l } from './l.ts'" }
    for (const { file, code } of [...violations, ...allowed, cycle]) {
      await mkdir(dirname(join(directory, file)), { recursive: true })
      await writeFile(join(directory, file), `${code}\n`)
    }
    reported = lint(directory)
  })

  afterAll(() => rm(directory, { recursive: true, force: true }))

  it.each(violations)('refuses $code in $file', ({ file, rule }) => {
    expect(reported.get(file)).toContain(rule)
  })

  it.each(allowed)('allows $code in $file', ({ file }) => {
    expect(reported.get(file)).toBeUndefined()
  })
})

function lint(directory: string): Map<string, string[]> {
  const { stdout } = spawnSync(binary, ['--type-aware', '--format', 'json'], {
    cwd: directory,
    encoding: 'utf8',
  })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] }
  const byFile = new Map<string, string[]>()
  for (const { code, filename } of diagnostics) {
    const rule = /\((.*)\)/.exec(code)?.[1] ?? code
    byFile.set(filename, [...(byFile.get(filename) ?? []), rule])
  }
  return byFile
}
