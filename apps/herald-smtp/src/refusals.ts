/**
 * The one table of what can be refused: status, the word callers decide by, and the public text. Herald knows
 * invalid_destination, rate_limited, timeout, unauthorized, provider_down and idempotency_conflict, and retries
 * provider_down, timeout and rate_limited.
 */
export const refusals = {
  // Before SMTP.
  invalid_request: { status: 400, code: 'invalid_request', text: 'The request is malformed.' },
  invalid_address: {
    status: 400,
    code: 'invalid_destination',
    text: 'The destination is not one e-mail address.',
  },
  unauthorized: { status: 401, code: 'unauthorized', text: 'The credentials are missing or wrong.' },
  forbidden: { status: 403, code: 'forbidden', text: 'These credentials may not do this.' },
  message_not_found: {
    status: 404,
    code: 'not_found',
    text: 'No such message is known, or not any more.',
  },
  not_found: { status: 404, code: 'not_found', text: 'There is nothing at this path.' },
  method_not_allowed: {
    status: 405,
    code: 'method_not_allowed',
    text: 'This path does not take this method.',
  },
  request_timeout: { status: 408, code: 'timeout', text: 'The request did not arrive in time.' },
  idempotency_conflict: {
    status: 409,
    code: 'idempotency_conflict',
    text: 'The idempotency key was used for another message.',
  },
  body_too_large: { status: 413, code: 'invalid_request', text: 'The body is too large.' },
  unsupported_media_type: {
    status: 415,
    code: 'invalid_request',
    text: 'The body has to be plain application/json.',
  },
  rate_limited: { status: 429, code: 'rate_limited', text: 'Too many messages; try again later.' },
  headers_too_large: { status: 431, code: 'invalid_request', text: 'The headers are too large.' },
  internal_error: { status: 500, code: 'send_failed', text: 'Something failed here.' },
  unavailable: { status: 503, code: 'provider_down', text: 'The service cannot send at the moment.' },

  // What the upstream made of it.
  invalid_destination: { status: 422, code: 'invalid_destination', text: 'The address does not take mail.' },
  mailbox_full: { status: 422, code: 'invalid_destination', text: 'The mailbox is full.' },
  too_large: { status: 413, code: 'send_failed', text: 'The message is too large for the mail server.' },
  throttled: { status: 429, code: 'rate_limited', text: 'The mail server asks to slow down.' },
  sender_refused: { status: 502, code: 'send_failed', text: 'The mail server refuses the sender.' },
  policy: { status: 502, code: 'send_failed', text: 'The mail server refuses the message.' },
  rejected: { status: 502, code: 'send_failed', text: 'The mail server rejected the message.' },
  greylisted: { status: 503, code: 'send_failed', text: 'The mail server defers the message.' },
  upstream_auth: { status: 503, code: 'provider_down', text: 'The mail server cannot be used.' },
  upstream_down: { status: 503, code: 'provider_down', text: 'The mail server is not available.' },
  busy: { status: 503, code: 'provider_down', text: 'The service is busy.' },
  draining: { status: 503, code: 'provider_down', text: 'The service is shutting down.' },
  timeout_not_sent: { status: 504, code: 'timeout', text: 'The message was not sent in time.' },
  timeout_unknown: { status: 504, code: 'timeout', text: 'The message may have been sent.' },
} as const satisfies Record<string, { status: number; code: string; text: string }>

export type Reason = keyof typeof refusals
