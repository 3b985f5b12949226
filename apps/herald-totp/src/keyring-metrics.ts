import type { BoxErrorCode } from '@herald/crypto'
import { Counter, Gauge, type Registry } from 'prom-client'

export type KeyringMetrics = {
  /** A box of the store that does not open; every one of them is somebody's doing. */
  boxFailed(code: BoxErrorCode): void
  reloaded(result: 'applied' | 'refused'): void
}

export function createKeyringMetrics(registry: Registry): KeyringMetrics {
  const registers = [registry]
  const boxErrors = new Counter({
    name: 'herald_totp_box_errors_total',
    help: 'Sealed boxes that did not open, by what was wrong with them',
    labelNames: ['code'],
    registers,
  })
  const reloads = new Counter({
    name: 'herald_totp_keyring_reloads_total',
    help: 'Changed keyrings that were read, by what became of them',
    labelNames: ['result'],
    registers,
  })
  const stale = new Gauge({
    name: 'herald_totp_keyring_stale',
    help: '1 while the last keyring that was read could not be used and an older one is in use',
    registers,
  })
  return {
    boxFailed: (code) => boxErrors.inc({ code }),
    reloaded(result) {
      reloads.inc({ result })
      stale.set(result === 'refused' ? 1 : 0)
    },
  }
}
