import { ConfigError, judge, type ConfigProblem, type GateFinding } from '@herald/config'
import { readSettings, type Settings } from '../config.ts'
import { openConfiguredStore, probeFindings } from '../configured-store.ts'
import type { CommandWorld } from './index.ts'
import { silentLogger } from './silent-logger.ts'

const exitConfig = 78

/** Says what a start would say: 0 if it would serve, 78 if it would be refused, 1 if the store does not answer. */
export async function checkConfig(world: CommandWorld): Promise<number> {
  try {
    const { settings, findings } = await readSettings(world.env)
    const probed = await probe(settings, world)
    const { refused, warned } = judge([...findings, ...probed], settings.gate)
    for (const finding of warned) world.print(line('warning', finding))
    for (const finding of refused) world.print(line('refused', finding))
    if (refused.length > 0) return exitConfig
    world.print('the configuration is good')
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) world.print(line('refused', problem))
    return exitConfig
  }
}

async function probe(settings: Settings, { now, randomBytes }: CommandWorld): Promise<GateFinding[]> {
  const store = await openConfiguredStore(settings, { now, randomBytes, logger: silentLogger })
  try {
    return await probeFindings(store, settings)
  } finally {
    await store.close()
  }
}

function line(kind: string, { code, variable, message, remedy }: ConfigProblem): string {
  return [kind, code, variable, message].filter(Boolean).join(' ') + (remedy ? `; ${remedy}` : '')
}
