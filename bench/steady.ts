import { processCost } from './counters.ts'
import { figure, table } from './figures.ts'
import { bundleOf, type Laboratory } from './laboratory.ts'
import { seedStore } from './seed.ts'
import { totpEnv } from './totp.ts'

export type SteadyOptions = { total: number; subjects: number }

type Look = { requests: number; rssMib: number }
type Watched = { looks: Look[]; peakMib: number; expected: number }

/** The memory of one service on Redis over very many requests: valid and wrong verifies and status, at 64 connections. */
export async function benchSteady(laboratory: Laboratory, options: SteadyOptions): Promise<string> {
  const { looks, peakMib, expected } = await watchMemory(laboratory, options)
  const { third, fourth } = lastQuarters(looks)
  const tenths = Array.from({ length: 10 }, (_, n) => nearest(looks, ((n + 1) / 10) * options.total))
  return [
    table(
      ['Requests', ...tenths.map(({ requests }) => String(requests))],
      [['RSS, MiB', ...tenths.map(({ rssMib }) => figure(rssMib))]],
    ),
    `Peak ${figure(peakMib)} MiB; lowest of the third quarter ${figure(third)} MiB, of the last one ${figure(fourth)} MiB. ${expected} answers were the expected ones.`,
  ].join('\n\n')
}

export async function watchMemory(
  laboratory: Laboratory,
  { total, subjects }: SteadyOptions,
): Promise<Watched> {
  const { generator, redis } = laboratory
  const env = { ...totpEnv, REDIS_ADDR: `127.0.0.1:${redis.port}`, REDIS_DB: '5' }
  await seedStore(env, subjects)
  const { port, pid } = await laboratory.start({
    name: 'steady',
    command: bundleOf('herald-totp'),
    env,
    onRedis: true,
  })
  await generator.carryOut({ kind: 'adopt', port, count: subjects })
  const looks: Look[] = []
  let done = 0
  let expected = 0
  while (done < total) {
    for (const mode of ['verify', 'wrong', 'status', 'status'] as const) {
      const shape = { requests: Math.min(subjects, Math.ceil(total / 40)), connections: 64 }
      await generator.carryOut({ kind: 'prepare', port, mode, shape })
      const load = await generator.load({ kind: 'run' })
      done += load.requests
      expected += load.expected
      looks.push({ requests: done, rssMib: processCost(pid).rssMib })
    }
  }
  return { looks, peakMib: processCost(pid).rssPeakMib, expected }
}

/**
 * The lowest RSS of the third and of the fourth quarter. In between it swings with the collections of the old generation; what
 * is never given back shows in the lowest.
 */
export function lastQuarters(looks: readonly Look[]): { third: number; fourth: number } {
  const total = looks.at(-1)?.requests ?? 0
  const lowest = (from: number, to: number) =>
    Math.min(
      ...looks
        .filter(({ requests }) => requests > from * total && requests <= to * total)
        .map(({ rssMib }) => rssMib),
    )
  return { third: lowest(0.5, 0.75), fourth: lowest(0.75, 1) }
}

function nearest(looks: readonly Look[], requests: number): Look {
  return (
    looks.find((look) => look.requests >= requests) ?? looks.at(-1) ?? { requests: 0, rssMib: Number.NaN }
  )
}
