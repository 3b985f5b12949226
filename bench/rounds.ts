import { rmSync } from 'node:fs'
import { processCost } from './counters.ts'
import type { Task } from './generator.ts'
import type { Laboratory, Sample, Side } from './laboratory.ts'
import type { Report } from './report.ts'
import type { Server } from './server.ts'

export type Running = { side: Side; server: Server }

/** What is measured in each round; what `prepare` does comes before the clock. */
export type Case = { title: string; prepare: (running: Running) => Task }

type Keep = (title: string, side: string, sample: Sample) => void

export async function startAll({ start }: Laboratory, sides: readonly Side[]): Promise<Running[]> {
  const running: Running[] = []
  for (const side of sides) running.push({ side, server: await start(side) })
  return running
}

/** Every case on every side, round by round and in changing order; round -1 warms up and is not kept. */
export async function runRounds(
  laboratory: Laboratory,
  running: readonly Running[],
  { rounds, casesOf, keep }: { rounds: number; casesOf: (round: number) => readonly Case[]; keep: Keep },
): Promise<void> {
  async function runCase({ title, prepare }: Case, each: Running, round: number): Promise<void> {
    await laboratory.generator.carryOut(prepare(each))
    const sample = await laboratory.measure(each.server, each.side, { kind: 'run' })
    if (round >= 0) keep(title, each.side.name, sample)
  }
  for (let round = -1; round < rounds; round += 1) {
    for (const one of casesOf(round)) {
      for (const each of inTurn(running, round)) await runCase(one, each, round)
    }
  }
}

/** The next one first each time. */
export function inTurn<T>(all: readonly T[], turn: number): T[] {
  const first = Math.max(0, turn) % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}

/** Notes the time from the start of the process to the first healthy answer. */
export async function measureStarts(
  { start }: Laboratory,
  sides: readonly Side[],
  { starts, report }: { starts: number; report: Report },
): Promise<void> {
  for (let turn = 0; turn < starts; turn += 1) {
    for (const side of inTurn(sides, turn)) {
      const server = await start(side)
      await server.stop()
      report.note(side.name, 'start to healthy, ms', server.startMs)
      const { SQLITE_PATH: path } = side.env
      if (path !== undefined) rmSync(path)
    }
  }
}

/** Notes the memory of services at the end of their work, and stops them. */
export async function stopAll(running: readonly Running[], report: Report): Promise<void> {
  for (const { side, server } of running) {
    const { rssMib, rssPeakMib } = processCost(server.pid)
    report.note(side.name, 'RSS after, MiB', rssMib)
    report.note(side.name, 'RSS peak, MiB', rssPeakMib)
    await server.stop()
  }
}
