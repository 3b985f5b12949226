import type { GateFinding } from './gate.ts'
import { type Lookup, reachOfAll } from './reach.ts'

/** A finding about servers that were met; without hosts it is about none. */
export type MetFinding = Omit<GateFinding, 'reach'> & { hosts?: readonly string[] }

/**
 * Says of each how far away it is. Servers without TLS count here only in public: nearer ones were judged by the variables
 * that led to them.
 */
export async function placeFindings(
  findings: readonly MetFinding[],
  lookup?: Lookup,
): Promise<GateFinding[]> {
  const placed = await Promise.all(
    findings.map(async ({ hosts, ...finding }): Promise<GateFinding> =>
      hosts ? { ...finding, reach: await reachOfAll(hosts, lookup) } : finding,
    ),
  )
  return placed.filter(({ code, reach }) => code !== 'REDIS_PLAINTEXT' || reach === 'public')
}
