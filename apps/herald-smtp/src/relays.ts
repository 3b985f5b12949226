import { createBreaker } from './domain/breaker.ts'
import type { Upstream } from './domain/delivery.ts'
import type { Mailer, MailerLogger, UpstreamSettings } from './mailer/mailer.ts'
import { createSmtpMailer } from './mailer/smtp-mailer.ts'
import type { SmtpMetrics } from './metrics.ts'

export type Relay = Upstream & { mailer: Mailer }

export type Relays = {
  /** In the operator's order. */
  all: readonly [Relay, ...Relay[]]
  /** Ends the probing, lets every mailer finish what it has begun. */
  drain(): Promise<void>
}

/** A mailer and a breaker for each configured upstream; nothing is opened before the first message or probe. */
export function createRelays(
  settings: readonly UpstreamSettings[],
  deps: { now: () => number; logger: MailerLogger; metrics: Pick<SmtpMetrics, 'observer' | 'breaker'> },
): Relays {
  const { now, logger, metrics } = deps

  function createRelay(upstream: UpstreamSettings): Relay {
    const { name } = upstream
    const mailer = createSmtpMailer(upstream, { now, logger, observer: metrics.observer(name) })
    const breaker = createBreaker({
      probe: async () => (await mailer.probe()).ok,
      now,
      onChange(state) {
        metrics.breaker(name, state)
        logger.warn({ upstream: name, breaker: state }, 'the breaker of an upstream changes')
      },
    })
    metrics.breaker(name, breaker.state())
    return { name, mailer, breaker }
  }

  const [first, ...others] = settings.map(createRelay)
  if (first === undefined) throw new Error('there is no upstream')
  const all = [first, ...others] as const
  return {
    all,
    async drain() {
      all.forEach(({ breaker }) => breaker.close())
      await Promise.all(all.map(({ mailer }) => mailer.drain()))
    },
  }
}
