import type { VariableRule } from '@herald/config'
import { variable } from '@herald/config'
import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { DkimIdentity } from './domain/dkim.ts'
import { parseRecipient, type Recipient } from './domain/recipient.ts'

const modulusBitsMin = 2048

export const dkimVariables = {
  DKIM_KEY: variable
    .parsedSecret(
      parseRsaKey,
      () => `must be an unencrypted RSA private key of at least ${modulusBitsMin} bits, as PEM`,
    )
    .optional()
    .describe('RSA private key that signs mails (DKIM), as PEM'),
  DKIM_SELECTOR: variable
    .text({ maxLength: 63 })
    .optional()
    .describe('Selector under which its public half is in DNS'),
  DKIM_DOMAIN: variable
    .text({ maxLength: 253 })
    .optional()
    .describe('Domain that signs; unset means the domain of SMTP_FROM, which otherwise has to lie below it'),
}

type DkimValues = {
  DKIM_KEY?: KeyObject | undefined
  DKIM_SELECTOR?: string | undefined
  DKIM_DOMAIN?: string | undefined
  SMTP_FROM: Recipient
}

/** A signature that cannot be verified, or that speaks for another domain than the From header, is worse than none. */
export const dkimRule: VariableRule<DkimValues> = {
  reads: ['DKIM_KEY', 'DKIM_SELECTOR', 'DKIM_DOMAIN', 'SMTP_FROM'],
  check: ({ DKIM_KEY: key, DKIM_SELECTOR: selector, DKIM_DOMAIN: domain, SMTP_FROM: from }) => {
    const problem = (variable: string, message: string) => [{ variable, message }]
    if (key && selector === undefined) return problem('DKIM_SELECTOR', 'must be set together with DKIM_KEY')
    if (!key && (selector ?? domain) !== undefined) {
      return problem('DKIM_KEY', 'must be set together with DKIM_SELECTOR and DKIM_DOMAIN')
    }
    if (selector !== undefined && !isName(selector)) {
      return problem('DKIM_SELECTOR', 'must be a name of letters, digits, hyphens and dots')
    }
    if (domain === undefined || isAtOrBelow(from.domain, domain.toLowerCase())) return []
    return problem(
      'DKIM_DOMAIN',
      'must be the domain of SMTP_FROM or one above it, or receivers disregard it',
    )
  },
}

/** Of values that `dkimRule` has let pass; undefined where nobody signs here. */
export function dkimSettings(values: DkimValues): DkimIdentity | undefined {
  const { DKIM_KEY: key, DKIM_SELECTOR: selector, DKIM_DOMAIN: domain, SMTP_FROM: from } = values
  return key && selector !== undefined
    ? { key, selector, domain: domain?.toLowerCase() ?? from.domain }
    : undefined
}

function parseRsaKey(pem: string): KeyObject {
  const key = createPrivateKey(pem)
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || bits < modulusBitsMin) throw new Error('unfit')
  return key
}

function isName(text: string): boolean {
  return parseRecipient(`x@${text}.example`) !== undefined
}

/** Whether receivers take a signature of the one domain for mail from the other (relaxed alignment, RFC 7489 3.1.1). */
export function isAtOrBelow(domain: string, above: string): boolean {
  return above.includes('.') && `.${domain}`.endsWith(`.${above}`)
}
