import { createAuditKey, describeReport, headsName, readLines, verifyTrail } from '@herald/audit'
import type { Command } from 'commander'

/** What the trail of a service is judged by. */
export type TrailEvidence = {
  /** That it may be chained under. */
  secrets: readonly Uint8Array[]
  heads: { read(name: string): Promise<Readonly<Record<string, string>>> }
}

type World = {
  /** Opens the store for as long as `use` takes. */
  withEvidence: <T>(use: (evidence: TrailEvidence) => Promise<T>) => Promise<T>
  print: (line: string) => void
  exitWith: (code: number) => void
}

type Options = { since?: string; store: boolean; json?: boolean }

/** `audit verify FILE...` */
export function addAuditCommand(program: Command, world: World): void {
  program
    .command('audit')
    .description('the trail of security events')
    .command('verify')
    .description('name what was changed, removed, moved or cut off; exit with 1 if anything was')
    .argument('<file...>', 'every file that the trail lies in, in any order')
    .option('--since <time>', 'chains last heard of before that time may be missing, like 2026-01-31')
    .option('--no-store', 'judge the lines alone, not whether a tail or a chain is missing')
    .option('--json', 'one JSON object')
    .action(async (files: string[], options: Options) =>
      world.exitWith(await verifyAudit(files, options, world)),
    )
}

/** 0 when the trail is whole, 1 when it is not. Throws on a file that cannot be read and on a store that does not answer. */
async function verifyAudit(
  files: readonly string[],
  options: Options,
  { withEvidence, print }: World,
): Promise<number> {
  const since = options.since === undefined ? 0 : Date.parse(options.since)
  if (Number.isNaN(since)) {
    print('--since must be a time like 2026-01-31 or 2026-01-31T12:00:00Z')
    return 1
  }
  return withEvidence(async ({ secrets, heads }) => {
    // The heads first: what the store knows by now is in the files by then.
    const checkpoints = options.store ? await heads.read(headsName) : undefined
    const report = await verifyTrail(readLines(files), {
      keys: secrets.map(createAuditKey),
      ...(checkpoints && { checkpoints }),
      since,
    })
    if (options.json) print(JSON.stringify(report))
    else for (const line of describeReport(report)) print(line)
    return report.ok ? 0 : 1
  })
}
