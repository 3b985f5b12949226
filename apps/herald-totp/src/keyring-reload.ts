import { ConfigError, judge } from '@herald/config'
import { KeyFormatError } from '@herald/crypto'
import type { Logger } from '@herald/service'
import { unwatchFile, watchFile } from 'node:fs'
import { keyringFile, readKeyring, type Settings } from './config.ts'
import type { KeyringMetrics } from './keyring-metrics.ts'
import { KeyringRefused, type LiveKeyring } from './live-keyring.ts'

const pollMs = 5000

type Deps = {
  env: Readonly<Record<string, string | undefined>>
  live: LiveKeyring
  gate: Settings['gate']
  logger: Logger
  metrics: KeyringMetrics
  onHangup: (listener: () => void) => void
}

/**
 * Takes a changed keyring file while requests run, on SIGHUP or when the file changes; a snapshot that is not good as a
 * whole changes nothing. Returns what ends it.
 */
export function watchKeyring(deps: Deps): () => void {
  const path = keyringFile(deps.env)
  if (path === undefined) return () => {}
  // One after the other, so that the last state of the file is the one that stays.
  let turn = Promise.resolve()
  const reload = () => void (turn = turn.then(() => reloadKeyring(deps)))
  deps.onHangup(reload)
  watchFile(path, { interval: pollMs, persistent: false }, reload)
  return () => unwatchFile(path, reload)
}

async function reloadKeyring({ env, live, gate, logger, metrics }: Deps): Promise<void> {
  try {
    const { keyring, findings } = await readKeyring(env)
    const { refused } = judge(findings, gate)
    if (refused.length > 0) throw new ConfigError(refused)
    await live.replace(keyring)
    metrics.reloaded('applied')
    logger.info({ event: 'keyring_applied', primary: keyring.primaryId }, 'the keyring was taken')
  } catch (error) {
    metrics.reloaded('refused')
    logger.error({ event: 'keyring_refused', cause: explain(error) }, 'the keyring stays as it was')
  }
}

/** None of these messages holds a value. */
function explain(error: unknown): string {
  if (error instanceof ConfigError)
    return error.problems.map(({ variable, message }) => `${variable} ${message}`).join('; ')
  if (error instanceof KeyringRefused || error instanceof KeyFormatError) return error.message
  return 'the store cannot be asked'
}
