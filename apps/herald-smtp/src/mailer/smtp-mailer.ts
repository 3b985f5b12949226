import { createDialler } from './dialler.ts'
import type { Mailer, MailerLogger, MailerObserver, OutgoingMessage, UpstreamSettings } from './mailer.ts'
import { createSessionPool, type Limits, type OpenLease } from './session-pool.ts'
import type { Outcome } from './transaction.ts'

/** The first command on a kept connection failed, or got no answer: it had been given up, and nobody has seen the message. */
const isStale = (outcome: Outcome): boolean =>
  outcome.outcome === 'not_sent' &&
  outcome.phase === 'mail' &&
  (outcome.cause === 'connection' || outcome.cause === 'timeout' || outcome.code === 421)

/**
 * The mailer of one upstream: sends over kept connections, of which one that turns out to be gone is replaced within the same
 * attempt. Nothing is opened before the first message.
 */
export function createSmtpMailer(
  settings: UpstreamSettings,
  deps: { now: () => number; logger: MailerLogger; observer?: MailerObserver },
): Mailer {
  const { now, observer } = deps
  const { name: upstream, timeouts } = settings
  const dialler = createDialler(settings, { ...deps, onEnd: (session) => pool.forget(session) })
  const pool = createSessionPool(settings, { ...deps, dial: (deadline) => dialler.dial(deadline) })
  const underWay = new Set<Promise<Outcome>>()
  let transactions = 0

  function transact({ session, reused }: OpenLease, message: OutgoingMessage, limits: Limits) {
    transactions += 1
    if (reused) observer?.reused()
    return session.transact(message, limits)
  }

  async function attempt(message: OutgoingMessage, limits: Limits): Promise<Outcome> {
    let lease = await pool.acquire(limits)
    if (!lease.ok) return lease.failure
    let outcome = await transact(lease, message, limits)
    if (lease.reused && isStale(outcome) && now() < limits.handOverBy) {
      lease = await pool.replace(limits)
      if (!lease.ok) return lease.failure
      outcome = await transact(lease, message, limits)
    }
    pool.release(lease.session)
    return outcome
  }

  return {
    async send(message, { deadline, handOverBy = deadline, caller = '' }) {
      const outcome = attempt(message, { deadline, handOverBy, caller })
      underWay.add(outcome)
      try {
        return { upstream, ...(await outcome) }
      } finally {
        underWay.delete(outcome)
      }
    },

    async probe() {
      const dialled = await dialler.dial(now() + timeouts.probeMs)
      if (dialled.ok) {
        await dialled.session.quit()
        return { ok: true }
      }
      const { outcome: _, ...failure } = dialled.failure
      return { ok: false, ...failure }
    },

    async drain() {
      await pool.drain()
      await Promise.allSettled(underWay)
    },

    async close() {
      const emptied = pool.close()
      dialler.close()
      await emptied
      await Promise.allSettled(underWay)
    },

    stats: () => ({ ...pool.stats(), transactions, resumedSessions: dialler.resumedSessions() }),
  }
}
