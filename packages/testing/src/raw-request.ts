import { request } from 'node:http'

export type RawAnswer = { status: number; headers: Record<string, unknown>; text: string }

/**
 * Sends a request exactly as given, on a connection of its own: the target is not normalised, and a header with several
 * values is sent several times.
 */
export function sendRaw(
  url: string,
  sent: {
    method?: string
    target: string
    headers?: Record<string, string | string[]>
    body?: string | Uint8Array
  },
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const { method = 'POST', target, headers = {}, body = '' } = sent
  return new Promise((answer, fail) => {
    const outgoing = request({ hostname, port, method, path: target, headers, agent: false }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      incoming.once('error', fail)
      incoming.once('end', () =>
        answer({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }),
      )
    })
    outgoing.once('error', fail)
    outgoing.end(body)
  })
}
