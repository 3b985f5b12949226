/** The store does not answer, is busy, refuses writes, or is no longer known to be ours: 503, never a pass. */
export class StoreUnavailable extends Error {
  readonly code = 'STORE_UNAVAILABLE'
  override readonly name = 'StoreUnavailable'
}

/** The store can be reached but must not be used: unmarked data, a newer schema, an unreadable file. Refuses the start. */
export class StoreRefused extends Error {
  readonly code = 'STORE_REFUSED'
  override readonly name = 'StoreRefused'
}
