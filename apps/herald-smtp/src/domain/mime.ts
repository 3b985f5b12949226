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

/** Encodes once and for all the lines that stand in every text. */
export function createBodyEncoder(standing: Iterable<string> = []): EncodeBody {
  const encoded = new Map(Array.from(standing, (line) => [line, encodeLine(line)] as const))
  return (text) =>
    text
      .split(/\r\n|\r|\n/)
      .map((line) => encoded.get(line) ?? encodeLine(line))
      .join('\r\n')
}

function encodeLine(line: string): string {
  return qp.wrap(qp.encode(line), lineMax)
}
