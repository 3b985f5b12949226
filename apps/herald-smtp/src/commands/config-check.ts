import { ConfigError, judge, type ConfigProblem, type GateFinding } from '@herald/config'
import { checkAudit } from '@herald/service'
import { readSettings, type Settings } from '../config.ts'
import { openConfiguredStore, probeFindings } from '../configured-store.ts'
import type { CommandWorld } from '../world.ts'
import { silentLogger } from './silent-logger.ts'

const exitConfig = 78

/** Says what a start would say: 0 if it would serve, 78 if it would be refused. A refused configuration reaches no store. */
export async function checkConfig(world: CommandWorld): Promise<number> {
  const { env, print } = world
  try {
    const { settings, findings } = await readSettings(env)
    const passes = report(findings, settings, print) && report(await probe(settings, world), settings, print)
    if (!passes) return exitConfig
    checkAudit(settings.audit.file)
    print('the configuration is good')
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) print(line('refused', problem))
    return exitConfig
  }
}

/** Prints every finding; false when one of them refuses the start. */
function report(findings: readonly GateFinding[], { gate }: Settings, print: CommandWorld['print']): boolean {
  const { refused, warned } = judge(findings, gate)
  for (const finding of warned) print(line('warning', finding))
  for (const finding of refused) print(line('refused', finding))
  return refused.length === 0
}

async function probe(
  { store: settings }: Settings,
  { now, randomBytes }: CommandWorld,
): Promise<GateFinding[]> {
  const deps = { now, randomBytes, logger: silentLogger }
  const store = await openConfiguredStore(settings, deps)
  try {
    return await probeFindings(store, deps)
  } finally {
    await store.calls.close()
  }
}

function line(kind: string, { code, variable, message, remedy }: ConfigProblem): string {
  return [kind, code, variable, message].filter(Boolean).join(' ') + (remedy ? `; ${remedy}` : '')
}
