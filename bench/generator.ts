/** The load, as a process of its own: what it costs is not the server's. One task at a time, told by the parent. */
import { runLoad, type Load, type Plan } from './load.ts'
import { prepareMails } from './mail.ts'
import { createPopulation, type Mode, type Population, type Shape } from './population.ts'
import { scatteredAccounts } from './seeded-account.ts'

export type Task =
  | { kind: 'enrol'; port: number; count: number; connections: number }
  | { kind: 'adopt'; port: number; count: number }
  | { kind: 'prepare'; port: number; mode: Mode; shape: Shape }
  | { kind: 'prepare mails'; port: number; label: string; shape: Shape }
  | { kind: 'run' }

export type Outcome = { load?: Load; error?: string }

const populations = new Map<number, Population>()
let prepared: Plan | undefined

function populationOf(port: number): Population {
  const known = populations.get(port) ?? createPopulation(port)
  populations.set(port, known)
  return known
}

async function carryOut(task: Task): Promise<Load | undefined> {
  if (task.kind === 'enrol') return populationOf(task.port).enrol(task.count, task.connections)
  if (task.kind === 'run') return prepared && runLoad(prepared)
  if (task.kind === 'adopt') {
    populationOf(task.port).adopt(scatteredAccounts(task.count))
  } else if (task.kind === 'prepare') {
    prepared = await populationOf(task.port).prepare(task.mode, task.shape)
  } else prepared = prepareMails(task.port, task.label, task.shape)
  return undefined
}

process.on('message', (task: Task) => {
  carryOut(task).then(
    (load) => process.send?.({ ...(load && { load }) } satisfies Outcome),
    (error: unknown) => process.send?.({ error: String(error) } satisfies Outcome),
  )
})
process.on('disconnect', () => process.exit())
