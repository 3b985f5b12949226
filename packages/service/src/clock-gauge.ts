import { Gauge, type Registry } from 'prom-client'

/** Asks at each scrape how far the store's clock is ahead of ours, in milliseconds; undefined shows the last answer. */
export function addClockGauge(registry: Registry, measure: () => Promise<number | undefined>): void {
  void new Gauge({
    name: 'store_clock_skew_seconds',
    help: 'How far the clock of the store is ahead of the clock of this process',
    registers: [registry],
    async collect() {
      const skewMs = await measure().catch(() => undefined)
      if (skewMs !== undefined) this.set(skewMs / 1000)
    },
  })
}
