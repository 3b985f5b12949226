/** What this package refuses by itself; an app's table of refusals has a row for each. */
export type EdgeReason =
  | WireReason
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'internal_error'
  | 'unavailable'
  | 'busy'

/** What is refused before there is a request: malformed HTTP, too many header bytes, a client too slow. */
export type WireReason = 'invalid_request' | 'headers_too_large' | 'request_timeout'

/** Thrown at the edge alone, by middlewares and parsing; what the domain refuses is a value. */
export class Refused extends Error {
  readonly reason: EdgeReason
  /** Public, and in the words of this service: nothing of the request is repeated. */
  readonly publicMessage: string | undefined

  constructor(reason: EdgeReason, publicMessage?: string) {
    super(reason)
    this.name = 'Refused'
    this.reason = reason
    this.publicMessage = publicMessage
  }
}
