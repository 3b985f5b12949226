/** What a typed code can be, told from its shape alone. */
export type TypedCode =
  | { kind: 'totp'; digits: string }
  | { kind: 'backup'; symbols: string }
  | { kind: 'neither' }

const backupShape = /^[A-HJ-NP-Z2-9]{16}$/

/**
 * Reads what was typed: blanks and dashes are dropped and ASCII case is ignored; nothing outside ASCII counts as a digit
 * or a letter. Only as many digits as one of the subject's credentials shows are a TOTP code.
 */
export function readCode(typed: string, digitsShown: readonly number[]): TypedCode {
  const code = typed.replace(/[\s-]/g, '').replace(/[a-z]/g, (letter) => letter.toUpperCase())
  if (/^[0-9]+$/.test(code) && digitsShown.includes(code.length)) return { kind: 'totp', digits: code }
  if (backupShape.test(code)) return { kind: 'backup', symbols: code }
  return { kind: 'neither' }
}
