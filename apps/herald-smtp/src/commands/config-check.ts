import { ConfigError, judge, type ConfigProblem } from '@herald/config'
import { readSettings } from '../config.ts'
import type { CommandWorld } from './index.ts'

/** Says what a start would say, without opening anything: 0, or 78 when the start would be refused. */
export async function checkConfig({ env, print }: CommandWorld): Promise<number> {
  const line = (kind: string, { code, variable, message, remedy }: ConfigProblem) =>
    print([kind, code, variable, message].filter(Boolean).join(' ') + (remedy ? `; ${remedy}` : ''))
  try {
    const { settings, findings } = await readSettings({ env })
    const { refused, warned } = judge(findings, settings.gate)
    for (const finding of warned) line('warning', finding)
    for (const finding of refused) line('refused', finding)
    if (refused.length > 0) return 78
    print('the configuration is good')
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) line('refused', problem)
    return 78
  }
}
