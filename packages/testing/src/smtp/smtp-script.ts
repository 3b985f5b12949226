/** Where a script may step in; `handshake` is the TLS handshake, `body` the reply after the dot. */
export type SmtpStep =
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'handshake'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'rset'
  | 'quit'

/**
 * What the server does instead of what it should; `raw` goes out byte for byte, `delayMs` is followed by the usual reply, `drip`
 * is a reply that comes by single bytes and never ends.
 */
export type SmtpAct =
  | { code: number; text: string | readonly string[]; drop?: boolean }
  | { raw: string; drop?: boolean }
  | { delayMs: number }
  | 'silence'
  | 'drip'
  | 'drop'

/** Narrows a rule: to one recipient, to a number of uses, to every n-th occasion. */
export type SmtpRuleLimits = { recipient?: string; times?: number; every?: number }

type Rule = SmtpRuleLimits & { step: SmtpStep; act: SmtpAct; seen: number }

/** The rules of one server; the first that fits and is not used up decides. */
export type SmtpRules = {
  add(step: SmtpStep, act: SmtpAct, limits?: SmtpRuleLimits): void
  take(step: SmtpStep, recipient?: string): SmtpAct | undefined
  clear(): void
}

/** Renders a reply with its code on each line (RFC 5321 section 4.2.1). */
export function formatReply(code: number, text: string | readonly string[]): string {
  const lines = typeof text === 'string' ? [text] : text
  return lines.map((line, index) => `${code}${index < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('')
}

/** Keeps what a server was told to do. */
export function createSmtpRules(): SmtpRules {
  const rules: Rule[] = []
  const fires = (rule: Rule, recipient: string | undefined): boolean => {
    if (rule.recipient !== undefined && rule.recipient !== recipient) return false
    rule.seen += 1
    const every = rule.every ?? 1
    if (rule.seen % every !== 0) return false
    return rule.times === undefined || rule.seen / every <= rule.times
  }
  return {
    add: (step, act, limits = {}) => void rules.push({ ...limits, step, act, seen: 0 }),
    take: (step, recipient) => rules.find((rule) => rule.step === step && fires(rule, recipient))?.act,
    clear: () => void rules.splice(0),
  }
}
