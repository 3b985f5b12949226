/** As many bytes as asked for, from a cryptographic source. */
export type Random = (size: number) => Buffer

/** Draws each symbol evenly: bytes beyond the last whole multiple of the alphabet are thrown away, not folded in. */
export function randomSymbols(randomBytes: Random, alphabet: string, length: number): string {
  if (alphabet.length < 2 || alphabet.length > 256 || new Set(alphabet).size !== alphabet.length) {
    throw new TypeError('alphabet must be 2 to 256 different characters')
  }
  const bound = 256 - (256 % alphabet.length)
  let symbols = ''
  while (symbols.length < length) {
    for (const byte of randomBytes(length - symbols.length)) {
      if (byte < bound) symbols += alphabet.charAt(byte % alphabet.length)
    }
  }
  return symbols
}
