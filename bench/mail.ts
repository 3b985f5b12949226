import { credentials } from './totp-requests.ts'
import type { Plan } from './load.ts'
import type { Shape } from './population.ts'

/** Mails to addresses of their own, each with an idempotency key of its own. */
export function prepareMails(port: number, label: string, { requests, ...shape }: Shape): Plan {
  return {
    port,
    ...shape,
    requests: Array.from({ length: requests }, (_, n) => sendRequest(`${label}-${n}`, n)),
    expected: { status: 200, text: '"ok":true' },
  }
}

function sendRequest(key: string, n: number): Buffer {
  const body = JSON.stringify({
    channel: 'email',
    to: `user${n}@example.net`,
    subject: 'Your sign-in code',
    body: 'Your verification code is: 123456. It ends in 5 minutes.',
    locale: 'en',
    idempotency_key: key,
    timeout_seconds: 10,
  })
  return Buffer.from(
    [
      'POST /v1/send HTTP/1.1',
      'Host: 127.0.0.1',
      `X-API-Key: ${credentials.apiKey}`,
      `Idempotency-Key: ${key}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  )
}
