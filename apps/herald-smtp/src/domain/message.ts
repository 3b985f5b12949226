import type { Content } from './content.ts'
import { createBodyEncoder, encodeBody, encodeField, encodePhrase } from './mime.ts'
import type { Recipient } from './recipient.ts'

export type Sender = { address: string; domain: string; name?: string; replyTo?: string }

export type Letter = Content & {
  from: Sender
  to: Recipient
  /** Without brackets. */
  messageId: string
  /** Milliseconds since the epoch. */
  sentAt: number
}

/** "=_" can stand neither in quoted-printable nor in base64, so no content can end a part (RFC 2045 6.7). */
const boundary = '=_herald_alternative'

/**
 * The whole message of one recipient as the bytes that follow DATA, before dot-stuffing. Subject and display name must
 * be free of control characters; the addresses come from `parseRecipient`.
 */
export type BuildMessage = (letter: Letter) => Buffer

/** `standing` is what stands in the HTML of every letter: whole lines with their ends. */
export function createMessageBuilder(standing: readonly string[] = []): BuildMessage {
  const encodeHtml = createBodyEncoder(standing)
  return (letter) => {
    const lines = [
      ...headerFields(letter),
      '',
      ...part('text/plain', encodeBody(letter.text)),
      ...part('text/html', encodeHtml(letter.html)),
      `--${boundary}--`,
      '',
    ]
    return Buffer.from(lines.join('\r\n'))
  }
}

function headerFields({ from, to, subject, messageId, sentAt }: Letter): string[] {
  return [
    `From: ${from.name === undefined ? from.address : `${encodePhrase(from.name)}\r\n <${from.address}>`}`,
    `To: ${to.address}`,
    ...(from.replyTo === undefined ? [] : [`Reply-To: ${from.replyTo}`]),
    encodeField('Subject', subject),
    `Date: ${new Date(sentAt).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${messageId}>`,
    `X-Entity-Ref-ID: ${messageId}`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
  ]
}

function part(type: string, encoded: string): string[] {
  return [
    `--${boundary}`,
    `Content-Type: ${type}; charset=utf-8`,
    'Content-Transfer-Encoding: quoted-printable',
    '',
    encoded,
  ]
}
