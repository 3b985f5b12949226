import { createHash } from 'node:crypto'
import { createAuditKey } from './audit-key.ts'
import { openAudit, type Audit, type AuditEvent, type EventName } from './audit.ts'
import { headsName } from './checkpoint.ts'
import { verifyTrail } from './verify-trail.ts'

export const key = createAuditKey(Buffer.from('the secret of the audit trail of the tests'))

/** A trail in memory, with a store that holds its checkpoints; `counter` makes its chain id. */
export function createTrail() {
  const written: string[] = []
  const checkpoints: Record<string, string> = {}
  const events: EventName[] = []
  let processes = 0
  let time = 1_800_000_000_000

  async function open(): Promise<Audit> {
    const seed = String(processes++)
    return openAudit('herald-totp', {
      key,
      sink: { write: (line) => void written.push(line), flush: async () => {} },
      heads: {
        write: async (name, fields) => {
          if (name === headsName) Object.assign(checkpoints, fields)
        },
      },
      now: () => (time += 1000),
      randomBytes: (size) => createHash('sha256').update(seed).digest().subarray(0, size),
      onEvent: (event) => void events.push(event),
      onFault: () => {},
    })
  }

  return { open, checkpoints, events, written, lines: () => written.join('').split('\n').slice(0, -1) }
}

/** One finished chain with that many events between its first and its last line. */
export async function recorded(events: readonly AuditEvent[]) {
  const trail = createTrail()
  const audit = await trail.open()
  for (const event of events) audit.record(event)
  await audit.close()
  return { lines: trail.lines(), checkpoints: trail.checkpoints }
}

export function verify(
  texts: readonly string[],
  checkpoints: Readonly<Record<string, string>>,
  options: { since?: number } = {},
) {
  const lines = texts.map((text, at) => ({ file: 'audit.log', line: at + 1, text }))
  return verifyTrail(lines, { keys: [key], checkpoints, ...options })
}
