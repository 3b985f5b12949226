import type { GateFinding } from './gate.ts'
import { reachOfAll } from './reach.ts'

/** One finding about an unencrypted way to the hosts, none when all are this machine. */
export async function plaintextFindings(
  code: 'REDIS_PLAINTEXT' | 'SMTP_PLAINTEXT',
  variable: string,
  hosts: readonly string[],
  remedy: string,
): Promise<GateFinding[]> {
  const reach = await reachOfAll(hosts)
  if (reach === 'loopback') return []
  return [{ code, variable, message: `is reached without TLS at a ${reach} address`, remedy, reach }]
}
