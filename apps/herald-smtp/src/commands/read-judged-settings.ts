import { ConfigError, judge, type Env } from '@herald/config'
import { readSettings, type Settings } from '../config.ts'

/** The settings that a start would serve with: what the gate refuses there, no command sends a password or a mail over. */
export async function readJudgedSettings(env: Env): Promise<Settings> {
  const { settings, findings } = await readSettings(env)
  const { refused } = judge(findings, settings.gate)
  if (refused.length > 0) throw new ConfigError(refused)
  return settings
}
