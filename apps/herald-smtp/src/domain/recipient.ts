import { domainToASCII, domainToUnicode } from 'node:url'

export type Recipient = {
  /** `local@domain`, local part in NFC, domain in lower-case A-labels; safe inside an SMTP command and a header. */
  address: string
  domain: string
  /** The local part is not ASCII, so the upstream has to offer SMTPUTF8 (RFC 6531). */
  smtpUtf8: boolean
}

const localOctetsMax = 64
const addressOctetsMax = 254
const dotAtom = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const dotAtomUtf8 = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u
const invisible = /\p{Default_Ignorable_Code_Point}/u
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Reads exactly one bare address (RFC 5321 dot-string `@` domain) or answers undefined: no list, group, comment,
 * display name, quoted local part or address literal, and nothing that another parser could read as a second address.
 */
export function parseRecipient(text: string): Recipient | undefined {
  if (text.length > addressOctetsMax) return undefined
  const at = text.lastIndexOf('@')
  const local = parseLocalPart(text.slice(0, Math.max(at, 0)))
  const domain = parseDomain(text.slice(at + 1))
  if (at < 1 || local === undefined || domain === undefined) return undefined
  const address = `${local}@${domain}`
  if (Buffer.byteLength(address) > addressOctetsMax) return undefined
  return { address, domain, smtpUtf8: !dotAtom.test(local) }
}

/**
 * Compatibility forms are refused: a fullwidth comma or at-sign becomes the real one in a relay that folds them. So are
 * fillers and variation selectors, letters and marks that nobody sees: a relay that drops them reads another address.
 */
function parseLocalPart(text: string): string | undefined {
  const local = text.normalize('NFC')
  if (Buffer.byteLength(local) > localOctetsMax || !dotAtomUtf8.test(local)) return undefined
  return local.normalize('NFKC') === local && !invisible.test(local) ? local : undefined
}

/**
 * UTS-46 to A-labels. `domainToASCII` follows the URL standard and therefore decodes percent signs, cuts at `/ ? #`, drops
 * tabs and computes IPv4 numbers, so ASCII input has to come out as it went in and the result has to be plain letters,
 * digits and hyphens. A domain of one label is refused: relays complete it with their own domain.
 */
function parseDomain(text: string): string | undefined {
  if (!/^[a-z0-9.\u{80}-\u{10ffff}-]+$/iu.test(text)) return undefined
  const domain = domainToASCII(text)
  const isAscii = /^[a-z0-9.-]+$/i.test(text)
  if (isAscii && domain !== text.toLowerCase()) return undefined
  const labels = domain.split('.')
  if (labels.length < 2 || !labels.every((part) => label.test(part)) || /^\d+$/.test(labels.at(-1) ?? '')) {
    return undefined
  }
  if (!domain.includes('xn--')) return domain
  return domainToASCII(domainToUnicode(domain)) === domain && !hasBrokenALabel(domain) ? domain : undefined
}

/** An A-label that does not decode stays `xn--` in Unicode form; one with hyphens where none may be, decodes to them. */
function hasBrokenALabel(domain: string): boolean {
  const unicode = domainToUnicode(domain).split('.')
  return domain
    .split('.')
    .some((part, index) => part.startsWith('xn--') && /^-|^..--|-$/u.test(unicode[index] ?? ''))
}
