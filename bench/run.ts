/**
 * `npm run bench`: measures the built services and writes the figures into docs/performance.md. BENCH_PEER_TOTP and
 * BENCH_PEER_SMTP are paths of the originals' binaries. `npm run bench -- --help` lists the flags.
 */
import { cpus, release, type } from 'node:os'
import { parseArgs } from 'node:util'
import { performanceDocument, writeFigures } from './document.ts'
import { benchCosts } from './costs.ts'
import { benchGrowth } from './growth.ts'
import { openLaboratory, redisVersion, type Laboratory } from './laboratory.ts'
import { loadColumns, redisColumns } from './report.ts'
import { benchSmtp } from './smtp.ts'
import { benchSteady } from './steady.ts'
import { benchTotp } from './totp.ts'

const parts = ['totp', 'smtp', 'costs', 'steady', 'growth'] as const
const usage = `npm run bench -- [flags]
  --only totp,smtp,costs   what to measure; also steady (a million requests, minutes) and growth (a million subjects, minutes)
  --rounds 5               interleaved rounds; a figure is the median of them
  --starts 9               starts of each service
  --requests 3000          requests of a case and round
  --subjects 10000         enrolled subjects; the more, the fewer waits for the next time step
  --mails 1500             mails of a case and round
  --subjects-max 1000000   subjects of the large store of growth
  --total 1000000          requests of steady
  --no-write               print alone, leave docs/performance.md as it is`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'totp,smtp,costs' },
    rounds: { type: 'string', default: '5' },
    starts: { type: 'string', default: '9' },
    requests: { type: 'string', default: '3000' },
    subjects: { type: 'string', default: '10000' },
    mails: { type: 'string', default: '1500' },
    'subjects-max': { type: 'string', default: '1000000' },
    total: { type: 'string', default: '1000000' },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

type Part = (typeof parts)[number]

const rounds = Number(values.rounds)
const starts = Number(values.starts)
const connections = [1, 16, 64]

const measurements: Record<Part, (laboratory: Laboratory) => Promise<string>> = {
  async totp(laboratory) {
    const report = await benchTotp(laboratory, {
      ...peer('BENCH_PEER_TOTP'),
      rounds,
      starts,
      subjects: Number(values.subjects),
      requests: Number(values.requests),
      connections: 16,
      verifyConnections: connections,
      rate: 1500,
    })
    return `${report.figures([...loadColumns, ...redisColumns])}\n\n${report.facts()}`
  },
  async smtp(laboratory) {
    const report = await benchSmtp(laboratory, {
      ...peer('BENCH_PEER_SMTP'),
      rounds,
      starts,
      mails: Number(values.mails),
      connections: [16, 64],
    })
    return `${report.figures([...loadColumns, ...redisColumns])}\n\n${report.facts()}`
  },
  costs: () => Promise.resolve(benchCosts({ repeatMs: 100 })),
  steady: (laboratory) => benchSteady(laboratory, { total: Number(values.total), subjects: 30_000 }),
  growth: (laboratory) =>
    benchGrowth(laboratory, { few: 1000, many: Number(values['subjects-max']), rounds, requests: 1000 }),
}

function peer(variable: string): { peer?: string } {
  const path = process.env[variable]
  return path === undefined ? {} : { peer: path }
}

/** Where and on what, since no figure stands without it. */
async function circumstances(laboratory: Laboratory): Promise<string> {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${type()} ${release()}`
  const day = new Date().toISOString().slice(0, 10)
  return `${day}; ${machine}; Node ${process.version}, Redis ${await redisVersion(laboratory)}. Median (lowest to highest) of ${rounds} rounds.`
}

async function measureAll(names: readonly Part[]): Promise<void> {
  for (const name of names) {
    const laboratory = await openLaboratory()
    try {
      const text = `${await circumstances(laboratory)}\n\n${await measurements[name](laboratory)}`
      console.log(`\n## ${name}\n\n${text}`)
      if (!values['no-write']) writeFigures(performanceDocument, name, text)
    } finally {
      await laboratory.close()
    }
  }
}

const wanted = values.only.split(',')
const unknown = wanted.filter((name) => !parts.includes(name as Part))
if (values.help || unknown.length > 0) console.log(usage)
else await measureAll(wanted as Part[])
