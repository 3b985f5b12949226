import type { Envelope } from './mailer.ts'
import type { Offer } from './reply-text.ts'

const ascii = /^[\x21-\x7e]*$/

/** Whether an envelope needs SMTPUTF8 (RFC 6531). */
export function isInternational({ from, to }: Envelope): boolean {
  return !ascii.test(from) || !ascii.test(to)
}

/** MAIL, RCPT and DATA, each with its line end; the addresses must hold nothing that ends a command. */
export function formatEnvelope(envelope: Envelope, size: number, offer: Offer): [string, string, string] {
  const { from, to } = envelope
  const international = isInternational(envelope) ? ' SMTPUTF8' : ''
  const announced = Number.isFinite(offer.sizeMax) ? ` SIZE=${size}` : ''
  return [`MAIL FROM:<${from}>${international}${announced}\r\n`, `RCPT TO:<${to}>\r\n`, 'DATA\r\n']
}

/**
 * The message and the dot that ends it, each dot that begins a line doubled (RFC 5321 section 4.5.2). Every CR and LF ends a
 * line, so that nothing inside can pass for the end with a server that takes a bare one for it.
 */
export function formatBody(raw: Buffer): string {
  const text = raw.toString('latin1')
  const lines = /\r(?!\n)|(?<!\r)\n/.test(text) ? text.replaceAll(/\r\n|\r|\n/g, '\r\n') : text
  const stuffed = lines.startsWith('.') || lines.includes('\n.') ? lines.replaceAll(/^\./gm, '..') : lines
  return `${stuffed}${stuffed.endsWith('\n') ? '' : '\r\n'}.\r\n`
}
