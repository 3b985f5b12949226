const idBytes = 12
const idsPerDraw = 256

/** Ids that callers state are honoured when they can do no harm in a log or a header. */
export function isSaneRequestId(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text)
}

/** Unique ids of 16 characters; drawn in bulk, since a draw costs far more than its bytes. */
export function createRequestIds(randomBytes: (size: number) => Buffer): () => string {
  let drawn: Buffer = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === drawn.length) {
      drawn = randomBytes(idBytes * idsPerDraw)
      used = 0
    }
    used += idBytes
    return drawn.toString('base64url', used - idBytes, used)
  }
}
