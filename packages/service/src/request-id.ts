/** Ids that callers state are honoured when they can do no harm in a log or a header. */
export function isSaneRequestId(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text)
}

export function createRequestId(randomBytes: (size: number) => Buffer): string {
  return randomBytes(12).toString('base64url')
}
