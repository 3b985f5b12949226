import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { benchCosts } from './costs.ts'
import { writeFigures } from './document.ts'
import { benchGrowth } from './growth.ts'
import { openLaboratory, type Laboratory } from './laboratory.ts'
import { loadColumns, redisColumns, type Report } from './report.ts'
import { benchSmtp } from './smtp.ts'
import { lastQuarters, watchMemory } from './steady.ts'
import { benchTotp } from './totp.ts'

let laboratory: Laboratory
beforeAll(async () => {
  laboratory = await openLaboratory()
})
afterAll(() => laboratory.close())

type Row = { title: string; side: string; figures: number[]; isVoid: boolean }

/** The rows of a table of figures; with one round each cell is one number. */
function rowsOf(report: Report): Row[] {
  const [, , ...lines] = report.figures([...loadColumns, ...redisColumns]).split('\n')
  return lines.map((line) => {
    const [title = '', side = '', ...cells] = line.slice(2, -2).split(' | ')
    const isVoid = cells.pop() !== ''
    return { title, side, isVoid, figures: cells.map((cell) => (cell === '' ? Number.NaN : Number(cell))) }
  })
}

function expectSound(rows: readonly Row[]): void {
  for (const { figures, isVoid } of rows) {
    const [perSecond = 0, p50 = 0, p99 = 0, max = 0] = figures
    expect(isVoid).toBe(false)
    expect(perSecond).toBeGreaterThan(10)
    expect(p50).toBeGreaterThan(0)
    expect(p99).toBeGreaterThanOrEqual(p50)
    expect(max).toBeGreaterThanOrEqual(p99)
  }
}

describe('the benchmark', { timeout: 60_000 }, () => {
  it('measures every call of herald-totp on both stores', async () => {
    const report = await benchTotp(laboratory, {
      rounds: 1,
      starts: 1,
      subjects: 150,
      requests: 24,
      connections: 4,
      verifyConnections: [1, 8],
      rate: 200,
    })
    const rows = rowsOf(report)
    expectSound(rows)
    expect(rows.map(({ title, side }) => `${title} on ${side}`)).toEqual(
      [
        'enroll (start and confirm), 4 connections',
        'verify, 1 connections',
        'verify, 8 connections',
        'verify, open loop 200/s',
        'wrong, 4 connections',
        'replay, 4 connections',
        'status, 4 connections',
      ].flatMap((title) => [`${title} on Redis`, `${title} on SQLite`]),
    )
    expect(report.facts()).toMatch(/\| Redis \| [\d.]+ \|/)
  })

  it('measures the mails of herald-smtp in plain and with STARTTLS', async () => {
    const report = await benchSmtp(laboratory, { rounds: 1, starts: 0, mails: 20, connections: [2] })
    const rows = rowsOf(report)
    expectSound(rows)
    expect(rows.length).toBe(4)
  })

  it('finds a verify over many subjects at the cost of one over few', async () => {
    const growth = await benchGrowth(laboratory, { few: 30, many: 60, rounds: 1, requests: 10 })
    expect(growth.split('\n').length).toBe(6)
  })

  it('takes the memory of a service at work', async () => {
    const { looks, peakMib, expected } = await watchMemory(laboratory, { total: 100, subjects: 40 })
    expect(looks.at(-1)?.requests).toBeGreaterThanOrEqual(100)
    expect(expected).toBe(looks.at(-1)?.requests)
    expect(lastQuarters(looks).fourth).toBeLessThanOrEqual(peakMib)
  })

  it('gives every step of a verify its cost', () => {
    const steps = benchCosts({ repeatMs: 5 }).split('\n').slice(2)
    for (const step of steps) expect(Number(/\| ([\d.]+) \(/.exec(step)?.[1])).toBeGreaterThan(0)
    expect(steps.length).toBe(7)
  })

  it('replaces its own figures in the document and nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-bench-'))
    const path = join(folder, 'performance.md')
    writeFileSync(path, 'before\n<!-- figures: totp -->\nold\n<!-- end -->\nafter\n')
    writeFigures(path, 'totp', 'new $1')
    expect(readFileSync(path, 'utf8')).toBe(
      'before\n<!-- figures: totp -->\n\nnew $1\n\n<!-- end -->\nafter\n',
    )
    expect(() => writeFigures(path, 'smtp', '')).toThrow('no place')
    rmSync(folder, { recursive: true })
  })
})
