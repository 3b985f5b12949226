import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gateCodes } from '../packages/config/src/gate.ts'
import { documents, readDocument } from './documentation-tables.ts'

const root = join(import.meta.dirname, '..')
const readmes = globSync('{apps,packages}/*/README.md', { cwd: root })
const pages = [...globSync(['*.md', 'docs/**/*.md', 'infra/**/*.md'], { cwd: root }), ...readmes]

describe.each(documents)('%s', (file) => {
  it('shows the tables that the code gives; `node test/write-documentation.ts` writes them', () => {
    const { found, expected } = readDocument(file)
    expect(found).toBe(expected)
  })

  it('holds at least one of them', () => {
    expect(readDocument(file).found).toContain('<!-- table: ')
  })
})

describe('the documents', () => {
  it('link to nothing that is not there', () => {
    const dead = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page} ${target}`),
    )
    expect(dead).toEqual([])
  })

  it('name only files, folders and scripts that exist', () => {
    const named = /`((?:apps|packages|infra|docs|test|\.ci|\.github)\/[\w./-]+)`/g
    const missing = pages.flatMap((page) =>
      [...read(page).matchAll(named)]
        .map((match) => match[1] ?? '')
        .filter((path) => !/(^|\/)dist\//.test(path) && !existsSync(join(root, path)))
        .map((path) => `${page} ${path}`),
    )
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const unknown = pages.flatMap((page) =>
      [...read(page).matchAll(/npm run ([\w:]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((script) => !(script in scripts))
        .map((script) => `${page} npm run ${script}`),
    )
    expect([...missing, ...unknown]).toEqual([])
  })

  it('of an app or a package name only files that it has', () => {
    const missing = readmes.flatMap((page) => {
      const files = globSync(`${dirname(page)}/**/*.ts`, { cwd: root, exclude: ['**/node_modules/**'] })
      return [...read(page).matchAll(/`([\w./-]+\.ts)`/g)]
        .map((match) => match[1] ?? '')
        .filter((name) => !files.some((file) => file.endsWith(`/${name}`)))
        .map((name) => `${page} ${name}`)
    })
    expect(missing).toEqual([])
  })

  it('explain every code of the gate and no other', () => {
    const rows = read('docs/operations/README.md').matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)
    expect(new Set([...rows].map((row) => row[1]))).toEqual(new Set(gateCodes))
  })

  it('let every promise of SECURITY.md name a test that exists', () => {
    const tests = globSync(['{apps,packages}/*/{src,test}/**/*.ts', 'test/*.ts'], { cwd: root }).filter(
      (file) => /\.(test|contract)\.ts$/.test(file) && !file.includes('node_modules'),
    )
    const titles = new Map(tests.map((file) => [relative('.', file), read(file)]))
    const promises = [...read('SECURITY.md').matchAll(/^\| .* \| `([\w./-]+)`: (.+) \|$/gm)]
    expect(promises.length).toBeGreaterThan(10)
    const unkept = promises
      .filter(([, file, title]) => !titles.get(file ?? '')?.includes(title ?? ''))
      .map(([line]) => line)
    expect(unkept).toEqual([])
  })
})

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}
