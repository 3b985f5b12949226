/** Joins fields, each behind its length in bytes as u32be, so that no two lists of fields give the same bytes. */
export function lengthPrefixed(fields: readonly (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = []
  for (const field of fields) {
    const bytes = typeof field === 'string' ? Buffer.from(field, 'utf8') : field
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(bytes.byteLength)
    parts.push(length, bytes)
  }
  return Buffer.concat(parts)
}
