/** Joins fields, each behind its length in bytes as u32be, so that no two lists of fields give the same bytes. */
export function lengthPrefixed(fields: readonly (string | Uint8Array)[]): Buffer {
  const total = fields.reduce((bytes, field) => bytes + 4 + Buffer.byteLength(field), 0)
  const joined = Buffer.allocUnsafe(total)
  let at = 0
  for (const field of fields) {
    at = joined.writeUInt32BE(Buffer.byteLength(field), at)
    if (typeof field === 'string') at += joined.write(field, at, 'utf8')
    else {
      joined.set(field, at)
      at += field.byteLength
    }
  }
  return joined
}
