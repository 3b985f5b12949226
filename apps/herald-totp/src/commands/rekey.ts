import { createKeyring } from '@herald/crypto'
import { createHashes, createLease } from '@herald/storage'
import { setTimeout as pause } from 'node:timers/promises'
import type { Settings } from '../config.ts'
import { rekey, type RekeyEvent, type RekeyOptions, type RekeySummary } from '../domain/rekey.ts'
import type { OpenTotpStore } from '../store/open-totp-store.ts'
import { createSealedRecords } from '../store/sealed-records.ts'
import type { CommandWorld } from '../world.ts'
import { withStore } from './with-store.ts'

const exitCodes = { complete: 0, partial: 2, locked: 3 } as const
const barWidth = 30

/** Seals every record anew under the primary key: 0 done, 2 something is left, 3 another rekey runs. */
export async function rekeyStore(
  world: CommandWorld,
  options: RekeyOptions & { json: boolean },
): Promise<number> {
  const draw = options.json ? undefined : world.draw
  const report = draw ? drawProgress(world, draw) : (event: RekeyEvent) => world.print(JSON.stringify(event))
  const notice = (message: string) =>
    world.print(draw ? message : JSON.stringify({ event: 'notice', message }))
  const summary = await rekeyOpened({ ...world, print: notice }, options, report)
  if (draw) for (const line of describe(summary, options)) world.print(line)
  else world.print(JSON.stringify({ event: 'finished', dryRun: options.dryRun, ...summary }))
  return exitCodes[summary.outcome]
}

/** Resolves once the store is closed, when all that was exchanged is on disk. */
function rekeyOpened(
  world: CommandWorld,
  options: RekeyOptions,
  report: (event: RekeyEvent) => void,
): Promise<RekeySummary> {
  const { now, randomBytes } = world
  const work = (store: OpenTotpStore, settings: Settings) =>
    rekey(
      {
        records: createSealedRecords(store.handle),
        keyring: createKeyring({ ...settings.keyring, randomBytes }),
        hashes: createHashes(store.handle, { prefix: 'totp:' }),
        lease: createLease(store.handle, { name: 'totp:rekey:lock' }),
        holder: randomBytes(16).toString('hex'),
        now,
        pause,
        report,
      },
      options,
    )
  return withStore(world, work, { syncAtClose: true })
}

function drawProgress(world: CommandWorld, draw: (text: string) => void): (event: RekeyEvent) => void {
  const startedAt = world.now()
  return (event) => {
    if (event.event === 'failed') {
      world.print(`\r\u001B[Ka ${event.kind} under ${event.keyId} failed: ${event.code}`)
      return
    }
    const part = event.total === 0 ? 1 : event.visited / event.total
    const filled = Math.round(part * barWidth)
    const perSecond = Math.round((event.done * 1000) / Math.max(world.now() - startedAt, 1))
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
    draw(`\r\u001B[K${bar} ${Math.floor(part * 100)} %  ${event.done} sealed anew, ${perSecond}/s`)
  }
}

function describe(summary: RekeySummary, { dryRun }: RekeyOptions): string[] {
  if (summary.outcome === 'locked') return ['another rekey is running']
  const { done, skipped, failed, remaining } = summary
  const left = Object.entries(remaining).map(([id, count]) => `${count} records are under key ${id}`)
  const verb = dryRun ? 'would be sealed anew' : 'sealed anew'
  return ['', `${done} ${verb}, ${skipped} were right already, ${failed} failed`, ...left]
}
