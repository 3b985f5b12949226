/** The only file that knows nodemailer's MIME encoders. */
import { encodeWord } from 'nodemailer/lib/mime-funcs'
import * as qp from 'nodemailer/lib/qp'

const lineMax = 76
const plainWords = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/

/**
 * One unstructured header field (RFC 5322 2.2.1). What is not a short run of plain words goes out as encoded-words
 * throughout, also text that only looks like an encoded-word: a reader must see the characters that the caller gave.
 */
export function encodeField(name: string, text: string): string {
  const line = `${name}: ${text}`
  if (plainWords.test(text) && !text.includes('=?') && line.length <= lineMax) return line
  return `${name}: ${encodeText(text)}`
}

/** A display name before an address: a quoted string, or encoded-words. */
export function encodePhrase(text: string): string {
  if (!plainWords.test(text) || text.includes('=?') || text.length > 60) return encodeText(text)
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

/** Encoded-words hold no blank of their own, so every blank between two of them is a place to fold. */
function encodeText(text: string): string {
  return encodeWord(text, 'B', 52).replaceAll(' ', '\r\n ')
}

/** Quoted-printable lines of at most 76 characters; every line break of the text becomes CRLF. */
export type EncodeBody = (text: string) => string

export const encodeBody: EncodeBody = (text) =>
  qp.wrap(qp.encode(text.replaceAll(/\r\n|\r|\n/g, '\r\n')), lineMax)

/** Encodes once and for all what stands in every text: whole lines with their ends, in the order in which they come. */
export function createBodyEncoder(standing: readonly string[]): EncodeBody {
  const blocks = standing.map((plain) => ({ plain, encoded: encodeBody(plain) }))
  return (text) => {
    let encoded = ''
    let end = 0
    for (const block of blocks) {
      const at = text.indexOf(block.plain, end)
      if (at === -1 || (at > 0 && text[at - 1] !== '\n')) continue
      encoded += encodeBody(text.slice(end, at)) + block.encoded
      end = at + block.plain.length
    }
    return encoded + encodeBody(text.slice(end))
  }
}
