import type { Principal } from './principal.ts'

/** A request as a scheme sees it: the body as the bytes that arrived, the query raw and without its question mark. */
export type SignedRequest = {
  method: string
  path: string
  query: string
  /** Asked with lower-case names; a header sent twice comes back joined by a comma, as Node and fetch do it. */
  headers: (name: string) => string | undefined
  /** Every header name of the request, in any case; asked only when a request carries no credential. */
  headerNames: () => Iterable<string>
  body: Uint8Array
  /** The socket's peer address, never one that a header states. */
  remoteAddress?: string
}

/** Why a request was refused: for logs and metrics alone, callers get one identical 401. */
export type AuthRefusal =
  | 'missing'
  | 'malformed'
  | 'window'
  | 'unknown_key_id'
  | 'bad_signature'
  | 'bad_key'
  | 'unsigned_path'
  | 'inactive_key'
  | 'version'
  | 'wrong_service'
  | 'network'
  | 'replayed'

/** What a signed request spends, once and for all callers; `name` is a keyed digest that tells nothing. */
export type Nonce = { name: string; ttlSeconds: number }

/** What one scheme makes of a request: nothing of it is presented, it is wrong, or it is right. */
export type Outcome =
  | { kind: 'skip' }
  | { kind: 'failure'; detail: AuthRefusal }
  | { kind: 'success'; principal: Principal; nonce?: Nonce }

export type Scheme = (request: SignedRequest) => Outcome

export const skip: Outcome = { kind: 'skip' }

export function failure(detail: AuthRefusal): Outcome {
  return { kind: 'failure', detail }
}

export function success(principal: Principal, nonce?: Nonce): Outcome {
  return { kind: 'success', principal, ...(nonce && { nonce }) }
}
