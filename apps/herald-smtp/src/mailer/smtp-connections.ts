import { createFairQueue } from './fair-queue.ts'
import type {
  FailedAttempt,
  Mailer,
  MailerObserver,
  OutgoingMessage,
  SendOptions,
  UpstreamSettings,
} from './mailer.ts'
import { createDialler, type MailerLogger, type Session } from './session.ts'
import type { Outcome } from './transaction.ts'

type OpenLease = { ok: true; session: Session; reused: boolean }
type Lease = OpenLease | { ok: false; failure: FailedAttempt }

/** What a waiting send is given: a session, a free slot to dial in, or its refusal. */
type Grant = Session | 'slot' | FailedAttempt

const queued = (cause: FailedAttempt['cause']): FailedAttempt => ({
  outcome: 'not_sent',
  phase: 'queue',
  cause,
})

/** The first command on a kept connection failed, or got no answer: it had been given up, and nobody has seen the message. */
const isStale = (outcome: Outcome): boolean =>
  outcome.outcome === 'not_sent' &&
  outcome.phase === 'mail' &&
  (outcome.cause === 'connection' || outcome.cause === 'timeout' || outcome.code === 421)

type Limits = Required<SendOptions>

/** Sends over kept connections: the one used last is taken first, sends beyond `connectionsMax` wait for their turn. */
export function createSmtpConnections(
  settings: UpstreamSettings,
  deps: { now: () => number; logger: MailerLogger; observer?: MailerObserver },
): Mailer {
  const { now, observer } = deps
  const { name: upstream, connectionsMax, queueMax, idleMs, ageMs, messagesPerConnection } = settings
  const idle: { session: Session; timer: NodeJS.Timeout }[] = []
  const waiting = createFairQueue<(grant: Grant) => void>({ sizeMax: queueMax })
  const dialler = createDialler(settings, { ...deps, onEnd: removeIdle })
  const drained = Promise.withResolvers<void>()
  let slots = 0
  let resetting = 0
  let sending = 0
  let stopping = false
  let dials = 0
  let transactions = 0

  function settleDrain(): void {
    if (stopping && slots === 0 && sending === 0) drained.resolve()
  }

  function freeSlot(): void {
    const waiter = waiting.shift()
    if (waiter !== undefined) return waiter('slot')
    slots -= 1
    settleDrain()
  }

  function retire(session: Session): void {
    void session.quit().then(freeSlot)
  }

  function keep(session: Session): void {
    const timer = setTimeout(() => {
      idle.splice(
        idle.findIndex((entry) => entry.session === session),
        1,
      )
      retire(session)
    }, idleMs)
    idle.push({ session, timer })
  }

  function removeIdle(session: Session): void {
    const at = idle.findIndex((entry) => entry.session === session)
    if (at < 0) return
    clearTimeout(idle[at]?.timer)
    idle.splice(at, 1)
    freeSlot()
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
    const dialled = await dialler.dial(handOverBy)
    if (dialled.ok) return { ...dialled, reused: false }
    freeSlot()
    return dialled
  }

  async function acquire(limits: Limits): Promise<Lease> {
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
    return 'outcome' in grant ? { ok: false, failure: grant } : { ok: true, session: grant, reused: true }
  }

  async function transact({ session, reused }: OpenLease, message: OutgoingMessage, limits: Limits) {
    transactions += 1
    if (reused) observer?.reused()
    return session.transact(message, limits)
  }

  async function attempt(message: OutgoingMessage, limits: Limits): Promise<Outcome> {
    if (limits.handOverBy <= now()) return queued('timeout')
    let lease = await acquire(limits)
    if (!lease.ok) return lease.failure
    let outcome = await transact(lease, message, limits)
    if (lease.reused && isStale(outcome) && now() < limits.handOverBy) {
      lease = await open(limits)
      if (!lease.ok) return lease.failure
      outcome = await transact(lease, message, limits)
    }
    void release(lease.session)
    return outcome
  }

  return {
    async send(message, { deadline, handOverBy = deadline, caller = '' }) {
      if (stopping) return { upstream, ...queued('draining') }
      sending += 1
      try {
        return { upstream, ...(await attempt(message, { deadline, handOverBy, caller })) }
      } finally {
        sending -= 1
        settleDrain()
      }
    },

    async probe() {
      const dialled = await dialler.dial(now() + settings.timeouts.probeMs)
      if (dialled.ok) {
        await dialled.session.quit()
        return { ok: true }
      }
      const { outcome: _, ...failure } = dialled.failure
      return { ok: false, ...failure }
    },

    drain() {
      stopping = true
      for (const { session, timer } of idle.splice(0)) {
        clearTimeout(timer)
        retire(session)
      }
      settleDrain()
      return drained.promise
    },

    close() {
      stopping = true
      for (let grant = waiting.shift(); grant; grant = waiting.shift()) grant(queued('draining'))
      dialler.close()
      settleDrain()
      return drained.promise
    },

    stats: () => ({
      dials,
      transactions,
      resumedSessions: dialler.resumedSessions(),
      idle: idle.length,
      busy: slots - idle.length,
      queued: waiting.size(),
    }),
  }
}
