/**
 * The one table of what can be refused: status and public text of each. `reason` is what callers read, where the
 * contract gives two refusals the same word.
 */
export const refusals = {
  invalid_request: { status: 400, message: 'the request is not well formed' },
  wrong_confirmation: { status: 400, reason: 'invalid', message: 'the code is wrong' },
  expired: { status: 400, message: 'no such enrolment, or it has expired' },
  replayed: { status: 400, reason: 'replay', message: 'the code or the challenge was used before' },
  unauthorized: { status: 401, message: 'credentials are missing or wrong' },
  wrong_code: { status: 401, reason: 'invalid', message: 'the code is wrong' },
  forbidden: { status: 403, message: 'these credentials may not do this' },
  not_found: { status: 404, message: 'there is nothing at this path' },
  method_not_allowed: { status: 405, message: 'this path does not know this method' },
  request_timeout: { status: 408, message: 'the request did not arrive in time' },
  already_enrolled: { status: 409, message: 'the subject is enrolled; revoke before enrolling again' },
  body_too_large: { status: 413, message: 'the body is too large' },
  unsupported_media_type: { status: 415, message: 'send application/json without a content encoding' },
  rate_limited: { status: 429, message: 'too many attempts; try again later' },
  headers_too_large: { status: 431, message: 'the headers are too large' },
  internal_error: { status: 500, message: 'something failed on our side' },
  unavailable: { status: 503, message: 'the store cannot be relied on at the moment' },
  busy: { status: 503, reason: 'unavailable', message: 'there is too much to do; try again later' },
  floored: {
    status: 503,
    reason: 'unavailable',
    message: 'codes of this moment cannot be judged; try again later',
  },
} as const satisfies Record<string, { status: number; reason?: string; message: string }>

export type RefusalReason = keyof typeof refusals
