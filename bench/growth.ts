import { join } from 'node:path'
import { removeKeys } from '../packages/testing/src/index.ts'
import { redisWork } from './counters.ts'
import { figure, quantile, spread, table } from './figures.ts'
import { bundleOf, type Laboratory, type Sample, type Side } from './laboratory.ts'
import { runRounds, startAll, type Case } from './rounds.ts'
import { seedStore } from './seed.ts'
import { totpEnv } from './totp.ts'

export type GrowthOptions = { few: number; many: number; rounds: number; requests: number }

type Size = 'few' | 'many'
type Seeded = { side: Side; engine: 'Redis' | 'SQLite'; subjects: number; bytesPerSubject: number }

/** What a verify costs over few subjects and over many, side by side, and how much Redis holds for each of them. */
export async function benchGrowth(laboratory: Laboratory, options: GrowthOptions): Promise<string> {
  const seeded = [
    await seedRedis(laboratory, 'few', options.few),
    await seedRedis(laboratory, 'many', options.many),
    await seedSqlite(laboratory, 'few', options.few),
    await seedSqlite(laboratory, 'many', options.many),
  ]
  const samples = new Map<string, Sample[]>(seeded.map(({ side }) => [side.name, []]))
  const running = await startAll(
    laboratory,
    seeded.map(({ side }) => side),
  )
  for (const [n, { server }] of running.entries())
    await laboratory.generator.carryOut({
      kind: 'adopt',
      port: server.port,
      count: seeded[n]?.subjects ?? 0,
    })
  await runRounds(laboratory, running, {
    rounds: options.rounds,
    casesOf: () => [verifyCase(options)],
    keep: (_, side, sample) => void samples.get(side)?.push(sample),
  })
  const rows = seeded.map((each) => rowOf(each, (name) => samples.get(name) ?? []))
  return table(
    [
      'Store',
      'Subjects',
      'CPU ms per verify',
      'to that of the few',
      'Redis CPU ms',
      'p99 ms',
      'Redis bytes per subject',
    ],
    rows,
  )
}

function verifyCase({ requests, few }: GrowthOptions): Case {
  const shape = { requests: Math.min(requests, few), connections: 64 }
  return {
    title: 'verify',
    prepare: ({ server }) => ({ kind: 'prepare', port: server.port, mode: 'verify', shape }),
  }
}

function rowOf(
  { side, engine, subjects, bytesPerSubject }: Seeded,
  samplesOf: (name: string) => Sample[],
): string[] {
  const samples = samplesOf(side.name)
  const p99s = samples.map(({ p99 }) => p99)
  return [
    engine,
    String(subjects),
    spread(samples.map(({ cpuMs }) => cpuMs)),
    figure(totalCpu(samples) / totalCpu(samplesOf(`${engine}, few`))),
    spread(samples.map(({ redisCpuMs }) => redisCpuMs)),
    figure(quantile(p99s, 0.5)),
    figure(bytesPerSubject),
  ]
}

/** Over all rounds, since one round is short against the hundredths of a second that the system counts in. */
function totalCpu(samples: readonly Sample[]): number {
  return samples.reduce((sum, { cpuMs, requests }) => sum + cpuMs * requests, 0)
}

async function seedRedis({ redis }: Laboratory, size: Size, subjects: number): Promise<Seeded> {
  const db = size === 'few' ? '3' : '4'
  const env = { ...totpEnv, REDIS_ADDR: `127.0.0.1:${redis.port}`, REDIS_DB: db }
  const before = await redisWork(redis.port)
  await seedStore(env, subjects)
  // The limits on starts, which are gone a minute later.
  await removeKeys(`${redis.url}/${db}`, 'totp:*:starts')
  const after = await redisWork(redis.port)
  return {
    side: { name: `Redis, ${size}`, command: bundleOf('herald-totp'), env, onRedis: true },
    engine: 'Redis',
    subjects,
    bytesPerSubject: (after.memoryBytes - before.memoryBytes) / subjects,
  }
}

async function seedSqlite({ folder }: Laboratory, size: Size, subjects: number): Promise<Seeded> {
  const env = { ...totpEnv, SQLITE_PATH: join(folder, `totp-${size}.sqlite`) }
  await seedStore(env, subjects)
  return {
    side: { name: `SQLite, ${size}`, command: bundleOf('herald-totp'), env, onRedis: false },
    engine: 'SQLite',
    subjects,
    bytesPerSubject: Number.NaN,
  }
}
