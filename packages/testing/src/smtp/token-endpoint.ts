import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request for a token, as its form came in. */
export type TokenRequest = Record<string, string>

/** An OAuth 2 token endpoint on 127.0.0.1. */
export type TokenEndpoint = {
  url: string
  requests: readonly TokenRequest[]
  /** From now on every request is answered with this. */
  answer(status: number, body: object | string): void
  stop(): Promise<void>
}

/** Starts an endpoint that gives `token-1`, `token-2` and so on, good for an hour, until told otherwise. */
export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  const requests: TokenRequest[] = []
  let scripted: { status: number; body: string } | undefined

  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      requests.push(Object.fromEntries(new URLSearchParams(text)))
      const usual = { access_token: `token-${requests.length}`, token_type: 'Bearer', expires_in: 3600 }
      const { status, body } = scripted ?? { status: 200, body: JSON.stringify(usual) }
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    requests,
    answer: (status, body) =>
      void (scripted = { status, body: typeof body === 'string' ? body : JSON.stringify(body) }),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
