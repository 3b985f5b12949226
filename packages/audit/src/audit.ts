import type { AuditKey } from './audit-key.ts'
import { formatLine } from './audit-line.ts'
import { formatCheckpoint, headsName, type Heads } from './checkpoint.ts'

export type EventName =
  | 'started'
  | 'stopped'
  | 'enrolled'
  | 'confirmed'
  | 'refused'
  | 'replayed'
  | 'locked'
  | 'unlocked'
  | 'revoked'
  | 'backup_used'
  | 'sent'
  | 'not_sent'
  | 'auth_refused'
  | 'key_first_used'
  | 'key_retired'

/** What happened; `subject` enters as a keyed hash. No field may hold a code, a key or an address. */
export type AuditEvent = {
  event: EventName
  subject?: string | undefined
  reason?: string | undefined
  /** The caller, as far as it was proven. */
  caller?: string | undefined
  scheme?: string | undefined
  key_id?: string | undefined
  /** Of the API key beside a signature. */
  api_key_id?: string | undefined
  request_id?: string | undefined
  remaining?: number | undefined
}

/** Where lines go, in the order in which they are given; `flush` resolves once they were handed to the system. */
export type AuditSink = { write: (line: string) => void; flush: () => Promise<void> }

export type Audit = {
  /** Writes one line; synchronous, never throws. */
  record(event: AuditEvent): void
  /** Writes the last line of the chain and its checkpoint. */
  close(): Promise<void>
}

const checkpointEveryMs = 60_000

type Deps = {
  key: AuditKey
  sink: AuditSink
  heads: Heads
  now: () => number
  randomBytes: (size: number) => Buffer
  onEvent: (event: EventName) => void
  /** A checkpoint that the store did not take; the next one covers what it would have covered. */
  onFault: (fault: unknown) => void
}

/**
 * The trail of one process: one chain from its start to its end. Resolves once the store knows of the chain; rejects when
 * the store does not take that first checkpoint.
 */
export async function openAudit(service: string, deps: Deps): Promise<Audit> {
  const { key, sink, heads, now, onEvent, onFault } = deps
  const chain = deps.randomBytes(16).toString('base64url')
  let seq = -1
  let mac = ''

  function append({ event, subject, ...fields }: AuditEvent & { key?: string }): void {
    const time = new Date(now()).toISOString()
    const hashed = subject === undefined ? {} : { subject: key.hashSubject(subject) }
    seq += 1
    const line = formatLine(
      { chain, seq, prev: mac },
      { time, service_name: service, event, ...hashed, ...fields },
      key,
    )
    mac = line.mac
    sink.write(`${line.text}\n`)
    onEvent(event)
  }

  /** The head first, then the flush, so that the store never knows more than the trail holds. */
  async function checkpoint(ended: boolean): Promise<void> {
    const head = { chain, seq, mac, at: now(), ended }
    await sink.flush()
    await heads.write(headsName, { [chain]: formatCheckpoint(head, key) })
  }

  append({ event: 'started', key: key.kcv })
  await checkpoint(false)
  const timer = setInterval(() => void checkpoint(false).catch(onFault), checkpointEveryMs)
  timer.unref()
  return {
    record: append,
    async close() {
      clearInterval(timer)
      append({ event: 'stopped' })
      await checkpoint(true).catch(onFault)
    },
  }
}
