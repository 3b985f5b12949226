import type { Principal } from '@herald/auth'
import { Counter, Gauge, type Registry } from 'prom-client'

export type KeyUse = {
  /**
   * Notes a request of a proven caller at this time, in milliseconds since the epoch, for each key that it showed. Returns
   * whether one of them has not been used in this process before.
   */
  used(principal: Principal, now: number): boolean
  /** A service that a request claims, if it has proven itself in this process; else 'unproven'. */
  claimed(service: string | undefined): string
}

/** Beyond this many names a key that is bound to no service could fill the memory of whoever collects metrics. */
const servicesMax = 64

/** Which keys are in use, and who still signs as v1: what an operator looks at before retiring either. */
export function createKeyUse(registry: Registry): KeyUse {
  const lastUsed = new Map<string, { labels: { scheme: string; key_id: string }; seconds: number }>()
  const services = new Set<string>()
  const registers = [registry]
  void new Gauge({
    name: 'auth_key_last_used_timestamp_seconds',
    help: 'When a key last proved a caller to this process',
    labelNames: ['scheme', 'key_id'],
    registers,
    collect() {
      for (const { labels, seconds } of lastUsed.values()) this.set(labels, seconds)
    },
  })
  const requests = new Counter({
    name: 'auth_requests_total',
    help: 'Requests let in, by the key that proved them',
    labelNames: ['scheme', 'key_id'],
    registers,
  })
  const v1Requests = new Counter({
    name: 'v1_requests_total',
    help: 'Requests let in by an HMAC v1 signature, by the service that signed',
    labelNames: ['service'],
    registers,
  })

  function labelOf(service: string): string {
    if (services.size < servicesMax) services.add(service)
    return services.has(service) ? service : 'other'
  }

  function noteKey(scheme: Principal['scheme'], keyId: string, now: number): boolean {
    const name = `${scheme}:${keyId}`
    const labels = { scheme, key_id: keyId }
    const isNew = !lastUsed.has(name)
    requests.inc(labels)
    lastUsed.set(name, { labels, seconds: Math.floor(now / 1000) })
    return isNew
  }

  return {
    used({ scheme, keyId, apiKeyId, service }, now) {
      const label = labelOf(service)
      if (scheme === 'hmac-v1') v1Requests.inc({ service: label })
      const isNew = noteKey(scheme, keyId, now)
      const isNewBeside = apiKeyId !== undefined && noteKey('api-key', apiKeyId, now)
      return isNew || isNewBeside
    },
    claimed: (service) => (service !== undefined && services.has(service) ? service : 'unproven'),
  }
}
