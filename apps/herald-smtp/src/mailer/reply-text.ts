/** The codes of a reply; `enhancedCode` only when its class is that of the basic code (RFC 2034 section 4). */
export type ReplyCodes = { code: number; enhancedCode?: string; relayDenied?: true }

/** What a server offers, read from its answer to EHLO (RFC 5321 section 4.1.1.1). */
export type Offer = {
  authMechanisms: ReadonlySet<string>
  smtpUtf8: boolean
  pipelining: boolean
  sizeMax: number
}

const enhanced = /^\d{3}[ -]([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)/m

/** The word itself, and not the name of a host; Postfix also has a table of relay recipients, which users can be unknown in. */
const relaying = /(?<![\w.@-])relay(?:ing|ed)?(?![\w@-]|\.\w| recipient table)/i

/** One code, which every line begins with (RFC 5321 section 4.2.1). */
const basicCode = /^([1-5]\d\d)(?:[ -][^\n]*)?(?:\n\1(?:[ -][^\n]*)?)*$/

/** Reads basic and enhanced code of a reply of one line or several; lines that contradict each other are none. */
export function parseReply(text: string): ReplyCodes | undefined {
  const basic = basicCode.exec(text)?.[1]
  if (basic === undefined) return undefined
  const [, kind, subject, detail] = enhanced.exec(text) ?? []
  const isEnhanced = kind === basic[0]
  const mayBePolicy = isEnhanced ? kind === '5' && subject === '7' : basic.startsWith('55')
  return {
    code: Number(basic),
    ...(isEnhanced && { enhancedCode: `${kind}.${Number(subject)}.${Number(detail)}` }),
    ...(mayBePolicy && relaying.test(text) && { relayDenied: true }),
  }
}

/** How servers name a message in their 250, most telling form first. */
const queueIds = [
  /\bInternalId=([0-9]+)/i, // Exchange and Microsoft 365
  /\bqueued as <?([^\s>,;()]+)/i, // Postfix and many after it
  /\bid=<?([^\s>,;()]+)/i, // Exim
  /\bqp ([0-9]+)/i, // qmail
  /\bOK\s+[0-9]{9,}\s+(\S+)\s+- gsmtp/i, // Google
  /\b(\S+) Message accepted for delivery/i, // Sendmail and OpenSMTPD
  /^250[ -](?:2\.\d\.\d )?Ok:? ([0-9a-f][0-9a-z-]{15,})\s*$/im, // Amazon SES
]

/** A name stands near the beginning, and some of the forms take the square of the length that they search. */
const searchedMax = 1_000

/** Finds the server's own name for a message in its 250, if it is fit to be stored and shown. */
export function parseQueueId(text: string): string | undefined {
  const searched = text.slice(0, searchedMax)
  for (const form of queueIds) {
    const id = form.exec(searched)?.[1]?.replace(/\.$/, '')
    if (id !== undefined && /^[A-Za-z0-9._@-]{1,128}$/.test(id)) return id
  }
  return undefined
}

/** Reads what the lines after the first offer; a reply to HELO must not have any (RFC 5321 section 3.2). */
export function parseOffer(text: string): Offer {
  const keywords = new Map(
    text
      .split('\n')
      .slice(1)
      .map((line) => line.slice(4).trim().toUpperCase().split(/[ =]+/))
      .map(([keyword = '', ...values]) => [keyword, values] as const),
  )
  return {
    authMechanisms: new Set(keywords.get('AUTH')),
    smtpUtf8: keywords.has('SMTPUTF8'),
    pipelining: keywords.has('PIPELINING'),
    sizeMax: Number(/^\d+$/.exec(keywords.get('SIZE')?.[0] ?? '')) || Infinity,
  }
}
