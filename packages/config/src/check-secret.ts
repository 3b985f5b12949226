import type { GateFinding } from './gate.ts'
import type { Secret } from './secret.ts'

/** Values that documentation of this service or of the ones it replaces has printed. */
const published = new Set(['0123456789abcdef0123456789abcdef', '0123456789abcdef'])
const placeholder =
  /^(?:<.*>|x{4,}|\*{4,})$|(?:^|[^a-z0-9])your[-_ ]|change[-_ ]?me|replace[-_ ]?(?:me|with)|placeholder|password|example/i
const distinctBytesMin = 8

/**
 * Judges one configured secret by its looks: too short, too uniform, printed somewhere, or meant for tests. The forms
 * `base64:` and `hex:` are judged by the bytes they stand for.
 */
export function checkSecret(variable: string, secret: Secret, options: { minBytes: number }): GateFinding[] {
  const text = secret.reveal()
  const bytes = bytesOf(text)
  const findings: GateFinding[] = []
  const find = (code: GateFinding['code'], message: string, remedy: string) =>
    findings.push({ code, variable, message, remedy })
  const generate = `generate one, for example with: openssl rand -hex ${Math.max(options.minBytes, 32)}`

  if (isExample(text) || isExample(bytes.toString('latin1')))
    find('EXAMPLE_VALUE', 'is a published example', generate)
  if (bytes.length < options.minBytes) find('WEAK_KEY', `is shorter than ${options.minBytes} bytes`, generate)
  else if (new Set(bytes).size < distinctBytesMin) {
    find('WEAK_KEY', `has fewer than ${distinctBytesMin} different bytes`, generate)
  }
  if (text.startsWith('hk_test_'))
    find('TEST_KEY', 'is a key meant for tests', 'use a key that begins with hk_live_')
  return findings
}

function isExample(text: string): boolean {
  return published.has(text) || placeholder.test(text)
}

function bytesOf(text: string): Buffer {
  if (text.startsWith('base64:')) return Buffer.from(text.slice('base64:'.length), 'base64')
  if (text.startsWith('hex:')) return Buffer.from(text.slice('hex:'.length), 'hex')
  return Buffer.from(text)
}
