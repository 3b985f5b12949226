import type { Dialler } from './dialler.ts'
import { createFairQueue } from './fair-queue.ts'
import type { FailedAttempt, MailerObserver, MailerStats, SendOptions, UpstreamSettings } from './mailer.ts'
import { notSent, type Session } from './session.ts'

/** What a send is held to. */
export type Limits = Required<SendOptions>

/** A session for one send, or why there is none; `reused` is one that carried a message before. */
export type Lease = OpenLease | { ok: false; failure: FailedAttempt }
export type OpenLease = { ok: true; session: Session; reused: boolean }

/** The sessions with one upstream: at most `connectionsMax` are open, the one used last is taken first, who finds none waits. */
export type SessionPool = {
  /** Each session that is leased has to be released or replaced once. */
  acquire(limits: Limits): Promise<Lease>
  /** Dials in the place of a leased session that has gone. */
  replace(limits: Limits): Promise<Lease>
  release(session: Session): void
  /** Told of every session that has ended, since it may have been idle. */
  forget(session: Session): void
  /** Leases nothing more and says QUIT on what is idle; resolves once no session is left. */
  drain(): Promise<void>
  /** Leases nothing more, not even to those who wait; resolves once no session is left. */
  close(): Promise<void>
  stats(): Pick<MailerStats, 'dials' | 'idle' | 'busy' | 'queued'>
}

/** What a waiting send is given: a session, a free slot to dial in, or its refusal. */
type Grant = Session | 'slot' | FailedAttempt

const queued = (cause: FailedAttempt['cause']): FailedAttempt => notSent({ phase: 'queue', cause })

const refuse = (failure: FailedAttempt): Lease => ({ ok: false, failure })

/** Makes an empty pool; `dial` opens a session by its deadline. */
export function createSessionPool(
  settings: UpstreamSettings,
  deps: { now: () => number; dial: Dialler['dial']; observer?: MailerObserver },
): SessionPool {
  const { now, dial, observer } = deps
  const { connectionsMax, queueMax, idleMs, ageMs, messagesPerConnection } = settings
  const idle: { session: Session; timer: NodeJS.Timeout }[] = []
  const waiting = createFairQueue<(grant: Grant) => void>({ sizeMax: queueMax })
  const emptied = Promise.withResolvers<void>()
  let slots = 0
  let resetting = 0
  let stopping = false
  let dials = 0

  function stop(): Promise<void> {
    stopping = true
    if (slots === 0) emptied.resolve()
    return emptied.promise
  }

  function freeSlot(): void {
    const waiter = waiting.shift()
    if (waiter !== undefined) return waiter('slot')
    slots -= 1
    if (stopping && slots === 0) emptied.resolve()
  }

  function retire(session: Session): void {
    void session.quit().then(freeSlot)
  }

  function keep(session: Session): void {
    const timer = setTimeout(() => removeIdle(session) && retire(session), idleMs)
    idle.push({ session, timer })
  }

  function removeIdle(session: Session): boolean {
    const at = idle.findIndex((entry) => entry.session === session)
    if (at < 0) return false
    clearTimeout(idle[at]?.timer)
    idle.splice(at, 1)
    return true
  }

  async function release(session: Session): Promise<void> {
    if (session.needsReset() && !session.closed()) {
      resetting += 1
      await session.reset()
      resetting -= 1
    }
    if (session.closed()) return freeSlot()
    const worn = now() - session.openedAt >= ageMs || session.transactions() >= messagesPerConnection
    if (worn) return retire(session)
    const waiter = waiting.shift()
    if (waiter !== undefined) return waiter(session)
    if (stopping) return retire(session)
    keep(session)
  }

  function wait({ handOverBy, caller }: Limits): Promise<Grant> {
    return new Promise((resolve) => {
      const grant = (given: Grant): void => {
        clearTimeout(timer)
        resolve(given)
      }
      const timer = setTimeout(
        () => {
          waiting.remove(caller, grant)
          resolve(queued('timeout'))
        },
        Math.max(handOverBy - now(), 0),
      )
      waiting.push(caller, grant)?.(queued('queue_full'))
    })
  }

  async function waitObserved(limits: Limits): Promise<Grant> {
    const since = performance.now()
    const grant = await wait(limits)
    observer?.phase('queue', performance.now() - since)
    return grant
  }

  async function open({ handOverBy }: Limits): Promise<Lease> {
    dials += 1
    observer?.dialled()
    const dialled = await dial(handOverBy)
    if (dialled.ok) return { ...dialled, reused: false }
    freeSlot()
    return dialled
  }

  async function acquire(limits: Limits): Promise<Lease> {
    if (stopping) return refuse(queued('draining'))
    if (limits.handOverBy <= now()) return refuse(queued('timeout'))
    const last = idle.pop()
    if (last !== undefined) {
      clearTimeout(last.timer)
      return { ok: true, session: last.session, reused: true }
    }
    // A connection that is being reset will be free sooner than a new one.
    if (slots < connectionsMax && resetting <= waiting.size()) {
      slots += 1
      return open(limits)
    }
    const grant = await waitObserved(limits)
    if (grant === 'slot') return open(limits)
    return 'outcome' in grant ? refuse(grant) : { ok: true, session: grant, reused: true }
  }

  return {
    acquire,
    replace: open,
    release: (session) => void release(session),
    forget: (session) => void (removeIdle(session) && freeSlot()),
    drain() {
      for (const { session, timer } of idle.splice(0)) {
        clearTimeout(timer)
        retire(session)
      }
      return stop()
    },
    close() {
      for (let grant = waiting.shift(); grant; grant = waiting.shift()) grant(queued('draining'))
      return stop()
    },
    stats: () => ({ dials, idle: idle.length, busy: slots - idle.length, queued: waiting.size() }),
  }
}
