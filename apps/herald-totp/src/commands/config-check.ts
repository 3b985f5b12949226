import { ConfigError, judge, type ConfigProblem, type GateFinding } from '@herald/config'
import { checkAudit } from '@herald/service'
import { createHashes } from '@herald/storage'
import { readSettings, type Settings } from '../config.ts'
import { openConfiguredKeyring } from '../configured-keyring.ts'
import { openConfiguredStore, probeFindings } from '../configured-store.ts'
import type { OpenTotpStore } from '../store/open-totp-store.ts'
import type { CommandWorld } from '../world.ts'
import { createCommandLogger } from './command-logger.ts'

const exitConfig = 78

/**
 * Says what a start would say: 0 if it would serve, 78 if it would be refused. As at a start, a configuration that is
 * refused by itself is not used to reach the store.
 */
export async function checkConfig(world: CommandWorld): Promise<number> {
  try {
    const { settings, findings } = await readSettings(world.env)
    const { print } = world
    const passes = report(findings, settings, print) && (await probe(settings, world))
    if (!passes) return exitConfig
    checkAudit(settings.audit.file)
    print('the configuration is good')
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) world.print(line('refused', problem))
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

/** Whether the store passes; throws a ConfigError when it must not be used, be it with these keys. */
async function probe(settings: Settings, { now, randomBytes, print }: CommandWorld): Promise<boolean> {
  const store = await openConfiguredStore(settings, {
    now,
    randomBytes,
    logger: createCommandLogger({ print }),
  })
  try {
    if (!report(await probeFindings(store), settings, print)) return false
    await checkKeyring(store, settings, randomBytes)
    return true
  } finally {
    await store.close()
  }
}

/** Leaves nothing of the keys in the store: who only asks may have the wrong ones. */
async function checkKeyring(
  { handle }: OpenTotpStore,
  settings: Settings,
  randomBytes: CommandWorld['randomBytes'],
): Promise<void> {
  const { read } = createHashes(handle, { prefix: 'totp:' })
  await openConfiguredKeyring(settings, { hashes: { read, complete: read }, randomBytes, onBoxError() {} })
}

function line(kind: string, { code, variable, message, remedy }: ConfigProblem): string {
  return [kind, code, variable, message].filter(Boolean).join(' ') + (remedy ? `; ${remedy}` : '')
}
