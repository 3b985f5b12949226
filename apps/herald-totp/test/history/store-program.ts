import type { StoreSettings } from '@herald/storage'
import { createHash, randomBytes } from 'node:crypto'
import { openTotpStore, type OpenTotpStore } from '../../src/store/open-totp-store.ts'
import type { StorePolicy } from '../../src/store/store.ts'

/** What the process of a client is asked: a verb of the store, or to execute SQL behind its back. */
export type Asked = { id: number; verb: string; args: readonly unknown[]; now: number }
export type Answered = { id: number; value?: unknown; fault?: { code?: unknown; message: string } }

/** A process with a store of its own: opens what its argument says and runs verbs for whoever started it, who also sets its clock. */
type Start = { settings: StoreSettings; policy: StorePolicy; now: number }
const { settings, policy, ...clock } = JSON.parse(process.argv[2]!) as Start
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const store = await openTotpStore(settings, {
  policy,
  unknownSlot: (subject) => createHash('sha256').update(subject).digest().readUInt16BE(),
  now: () => clock.now,
  noticesStops: true,
  randomBytes,
  logger: silent,
})

type Verb = (...args: readonly unknown[]) => Promise<unknown>
const verbs: Readonly<Record<string, Verb>> = {
  ...(store as unknown as Record<keyof OpenTotpStore, Verb>),
  execute: async (sql) => execute(String(sql)),
}

/** Does to SQLite what no verb does. */
function execute(sql: string): void {
  if (store.handle.engine !== 'sqlite') throw new TypeError('only SQLite runs SQL')
  store.handle.database.exec(sql)
}

function explain(error: unknown): NonNullable<Answered['fault']> {
  const { code, message } = error as Error & { code?: unknown }
  return { code, message }
}

process.on('message', ({ id, verb, args, now }: Asked) => {
  clock.now = now
  const asked = async () => verbs[verb]!(...args)
  asked().then(
    (value) => answer({ id, value }),
    (error: unknown) => answer({ id, fault: explain(error) }),
  )
})
process.on('disconnect', () => void store.close())
answer({ id: 0 })

/** Nobody is there to hear it once the test has ended. */
function answer(answered: Answered): void {
  if (process.connected) process.send!(answered)
}
