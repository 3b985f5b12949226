import { createHash, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

const signInPool = promisify(sign)

export type DkimIdentity = { domain: string; selector: string; key: KeyObject }

/** Puts a DKIM-Signature before a message whose lines all end with CRLF; the bytes after it stay as they are. */
export type SignMessage = (message: Buffer) => Promise<Buffer>

/** Named once more than they stand in the message, so that none can be added under the signature (RFC 6376 8.15). */
const guarded = [
  'from',
  'to',
  'cc',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'content-type',
]

/** Signs with rsa-sha256 and relaxed/relaxed (RFC 6376); the RSA operation runs beside the event loop. */
export function createDkimSigner({ domain, selector, key }: DkimIdentity): SignMessage {
  return async (message) => {
    const headEnd = message.indexOf('\r\n\r\n')
    const fields = unfold(message.toString('latin1', 0, headEnd))
    const bodyHash = createHash('sha256')
      .update(canonicalBody(message.subarray(headEnd + 4)))
      .digest('base64')
    // A verifier takes equal names from the last field upwards.
    const signed = fields.toReversed()
    const names = [...signed.map(nameOf), ...guarded]
    const header = [
      `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain};`,
      `s=${selector}; bh=${bodyHash};`,
      ...foldNames(names),
      'b=',
    ].join('\r\n ')
    const input = [...signed, header.replaceAll('\r\n', '')].map(canonicalField).join('\r\n')
    const signature = await signInPool('sha256', Buffer.from(input, 'latin1'), key)
    const lines = signature.toString('base64').match(/.{1,74}/g) ?? []
    return Buffer.concat([Buffer.from(`${header}${lines.join('\r\n ')}\r\n`), message])
  }
}

function unfold(head: string): string[] {
  return head.replaceAll(/\r\n(?=[ \t])/g, '').split('\r\n')
}

function nameOf(field: string): string {
  return field.slice(0, field.indexOf(':')).trim().toLowerCase()
}

function canonicalField(field: string): string {
  const value = field.slice(field.indexOf(':') + 1)
  return `${nameOf(field)}:${value.replaceAll(/[ \t]+/g, ' ').replaceAll(/^ | $/g, '')}`
}

/** Without blanks before a line's end and without empty lines at the end, any other run of blanks as one. */
function canonicalBody(body: Buffer): Buffer {
  const text = body
    .toString('latin1')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(' \r\n', '\r\n')
  let end = text.endsWith(' ') ? text.length - 1 : text.length
  while (text.endsWith('\r\n', end)) end -= 2
  return Buffer.from(end === 0 ? '' : `${text.slice(0, end)}\r\n`, 'latin1')
}

function foldNames(names: readonly string[]): string[] {
  const lines: string[] = []
  let line = 'h='
  for (const [index, name] of names.entries()) {
    const next = index === names.length - 1 ? `${name};` : `${name}:`
    if (line.length + next.length > 74) {
      lines.push(line)
      line = ''
    }
    line += next
  }
  return [...lines, line]
}
