import type { GateFinding } from './gate.ts'
import { reachOf } from './reach.ts'

/** One finding about an unencrypted way to the host, none when that is this machine. */
export async function plaintextFindings(
  code: 'REDIS_PLAINTEXT' | 'SMTP_PLAINTEXT',
  variable: string,
  host: string,
  remedy: string,
): Promise<GateFinding[]> {
  const reach = await reachOf(host)
  if (reach === 'loopback') return []
  return [{ code, variable, message: `is reached without TLS at a ${reach} address`, remedy, reach }]
}
