import type { FailedAttempt, Mailer, OutgoingMessage, UpstreamSettings } from './mailer.ts'
import { createDialler, type MailerLogger, type Outcome, type Session } from './session.ts'

type Lease = { ok: true; session: Session; reused: boolean } | { ok: false; failure: FailedAttempt }

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

/** Sends over kept connections: the one used last is taken first, sends beyond `connectionsMax` wait in order. */
export function createSmtpConnections(
  settings: UpstreamSettings,
  deps: { now: () => number; logger: MailerLogger },
): Mailer {
  const { now } = deps
  const { name: upstream, connectionsMax, queueMax, idleMs, ageMs, messagesPerConnection } = settings
  const idle: { session: Session; timer: NodeJS.Timeout }[] = []
  const waiting: ((grant: Grant) => void)[] = []
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

  function wait(deadline: number): Promise<Grant> {
    return new Promise((resolve) => {
      const grant = (given: Grant): void => {
        clearTimeout(timer)
        resolve(given)
      }
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(grant), 1)
        resolve(queued('timeout'))
      }, deadline - now())
      waiting.push(grant)
    })
  }

  async function open(deadline: number): Promise<Lease> {
    dials += 1
    const dialled = await dialler.dial(deadline)
    if (dialled.ok) return { ...dialled, reused: false }
    freeSlot()
    return dialled
  }

  async function acquire(deadline: number): Promise<Lease> {
    const last = idle.pop()
    if (last !== undefined) {
      clearTimeout(last.timer)
      return { ok: true, session: last.session, reused: true }
    }
    // A connection that is being reset will be free sooner than a new one.
    if (slots < connectionsMax && resetting <= waiting.length) {
      slots += 1
      return open(deadline)
    }
    if (waiting.length >= queueMax) return { ok: false, failure: queued('queue_full') }
    const grant = await wait(deadline)
    if (grant === 'slot') return open(deadline)
    return 'outcome' in grant ? { ok: false, failure: grant } : { ok: true, session: grant, reused: true }
  }

  async function transact(session: Session, message: OutgoingMessage, deadline: number): Promise<Outcome> {
    transactions += 1
    return session.transact(message, deadline)
  }

  async function attempt(message: OutgoingMessage, deadline: number): Promise<Outcome> {
    if (deadline <= now()) return queued('timeout')
    let lease = await acquire(deadline)
    if (!lease.ok) return lease.failure
    let outcome = await transact(lease.session, message, deadline)
    if (lease.reused && isStale(outcome) && now() < deadline) {
      lease = await open(deadline)
      if (!lease.ok) return lease.failure
      outcome = await transact(lease.session, message, deadline)
    }
    void release(lease.session)
    return outcome
  }

  return {
    async send(message, { deadline }) {
      if (stopping) return { upstream, ...queued('draining') }
      sending += 1
      try {
        return { upstream, ...(await attempt(message, deadline)) }
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
      for (const grant of waiting.splice(0)) grant(queued('draining'))
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
      queued: waiting.length,
    }),
  }
}
