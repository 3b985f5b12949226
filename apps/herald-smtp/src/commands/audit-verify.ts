import { createAuditKey, describeReport, headsName, readLines, verifyTrail } from '@herald/audit'
import { createHashes } from '@herald/storage'
import type { Command } from 'commander'
import { auditSecrets } from '../audit.ts'
import { credentialsOf } from '../callers.ts'
import { readSettings } from '../config.ts'
import { openConfiguredStore } from '../configured-store.ts'
import { obtainDigestKey } from '../digest-key.ts'
import type { CommandWorld } from './run-command.ts'
import { silentLogger } from './silent-logger.ts'

type Options = { since?: string; store: boolean; json?: boolean }

/** `audit verify FILE...` */
export function addAuditCommand(
  program: Command,
  world: CommandWorld,
  exitWith: (code: number) => void,
): void {
  program
    .command('audit')
    .description('the trail of security events')
    .command('verify')
    .description('name what was changed, removed, moved or cut off; exit with 1 if anything was')
    .argument('<file...>', 'every file that the trail lies in, in any order')
    .option('--since <time>', 'chains last heard of before that time may be missing, like 2026-01-31')
    .option('--no-store', 'judge the lines alone, not whether a tail or a chain is missing')
    .option('--json', 'one JSON object')
    .action(async (files: string[], options: Options) => exitWith(await verifyAudit(files, options, world)))
}

/** 0 when the trail is whole, 1 when it is not. Throws on a file that cannot be read and on a store that does not answer. */
async function verifyAudit(
  files: readonly string[],
  options: Options,
  { env, now, randomBytes, print }: CommandWorld,
): Promise<number> {
  const since = options.since === undefined ? 0 : Date.parse(options.since)
  if (Number.isNaN(since)) {
    print('--since must be a time like 2026-01-31 or 2026-01-31T12:00:00Z')
    return 1
  }
  const { settings } = await readSettings(env)
  const store = await openConfiguredStore(settings.store, { now, randomBytes, logger: silentLogger })
  try {
    const once = { once: store.once, now, randomBytes }
    const secrets = auditSecrets(settings, await obtainDigestKey(credentialsOf(settings.auth), once))
    // The heads first: what the store knows by now is in the files by then.
    const checkpoints = options.store
      ? await createHashes(store.handle, { prefix: 'smtp:' }).read(headsName)
      : undefined
    const report = await verifyTrail(readLines(files), {
      keys: secrets.map(createAuditKey),
      ...(checkpoints && { checkpoints }),
      since,
    })
    if (options.json) print(JSON.stringify(report))
    else for (const line of describeReport(report)) print(line)
    return report.ok ? 0 : 1
  } finally {
    await store.calls.close()
  }
}
