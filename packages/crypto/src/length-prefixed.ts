/** Joins fields, each behind its length in bytes as u32be, so that no two lists of fields give the same bytes. */
export function lengthPrefixed(fields: readonly (string | Uint8Array)[]): Buffer {
  const total = fields.reduce((bytes, field) => bytes + 4 + Buffer.byteLength(field), 0)
  const joined = Buffer.allocUnsafe(total)
  let at = 0
  for (const field of fields) {
    const bytes = typeof field === 'string' ? joined.write(field, at + 4, 'utf8') : field.byteLength
    if (typeof field !== 'string') joined.set(field, at + 4)
    joined.writeUInt32BE(bytes, at)
    at += 4 + bytes
  }
  return joined
}
