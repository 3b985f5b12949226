import { createVerify, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSecret } from '@herald/config'
import { startSmtpServer, startTokenEndpoint } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'

import { createAccessTokens, TokenRefused, type TokenGrant } from './access-tokens.ts'
import { mailerFor, messageTo, within } from './mailer.fixture.ts'

async function endpoint() {
  const started = await startTokenEndpoint()
  onTestFinished(() => started.stop())
  return started
}

const clientCredentials = (tokenUrl: string): TokenGrant => ({
  type: 'client_credentials',
  tokenUrl,
  scope: 'https://outlook.office365.com/.default',
  clientId: 'application',
  clientSecret: createSecret('its secret'),
})

describe('access tokens', () => {
  it('are asked for as Microsoft 365 has it', async () => {
    const { url, requests } = await endpoint()
    const tokens = createAccessTokens(clientCredentials(url), { now: Date.now })
    expect((await tokens.get({ renewed: false })).reveal()).toBe('token-1')
    expect(requests).toEqual([
      {
        grant_type: 'client_credentials',
        client_id: 'application',
        client_secret: 'its secret',
        scope: 'https://outlook.office365.com/.default',
      },
    ])
  })

  it('are asked for as Google has it, with an assertion that the account signed', async () => {
    const { url, requests } = await endpoint()
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const grant: TokenGrant = {
      type: 'jwt_bearer',
      tokenUrl: url,
      scope: 'https://mail.google.com/',
      subject: 'codes@example.com',
      account: () => ({
        issuer: 'sender@project.iam.gserviceaccount.com',
        keyId: 'key-1',
        privateKey: createSecret(pem),
      }),
    }
    await createAccessTokens(grant, { now: () => 1_800_000_000_500 }).get({ renewed: false })
    expect(requests[0]?.['grant_type']).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [header = '', claims = '', signature = ''] = requests[0]?.['assertion']?.split('.') ?? []
    const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
    expect(decode(header)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })
    expect(decode(claims)).toEqual({
      iss: 'sender@project.iam.gserviceaccount.com',
      sub: 'codes@example.com',
      scope: 'https://mail.google.com/',
      aud: url,
      iat: 1_800_000_000,
      exp: 1_800_000_300,
    })
    const verifier = createVerify('RSA-SHA256').update(`${header}.${claims}`)
    expect(verifier.verify(publicKey, Buffer.from(signature, 'base64url'))).toBe(true)
  })

  it('are kept until a minute before their end, and asked for once by all who wait', async () => {
    const { url, requests } = await endpoint()
    let time = 0
    const tokens = createAccessTokens(clientCredentials(url), { now: () => time })
    const get = async () => (await tokens.get({ renewed: false })).reveal()
    expect(await Promise.all([get(), get(), get()])).toEqual(['token-1', 'token-1', 'token-1'])
    time = 3_539_000
    expect(await get()).toBe('token-1')
    time = 3_541_000
    expect(await get()).toBe('token-2')
    expect(requests).toHaveLength(2)
  })

  it('are refused when the endpoint refuses us, and only fail when it does not work', async () => {
    const { url, answer } = await endpoint()
    const tokens = createAccessTokens(clientCredentials(url), { now: Date.now })
    answer(401, { error: 'invalid_client' })
    await expect(tokens.get({ renewed: false })).rejects.toThrow(TokenRefused)
    for (const [status, body] of [
      [503, 'down'],
      [200, '<html>'],
      [200, { token_type: 'Bearer' }],
    ] as const) {
      answer(status, body)
      await expect(tokens.get({ renewed: false })).rejects.not.toBeInstanceOf(TokenRefused)
    }
    answer(200, { access_token: 'works-again', expires_in: 60 })
    expect((await tokens.get({ renewed: false })).reveal()).toBe('works-again')
  })
})

describe('a token endpoint that does not stop talking', () => {
  it('is listened to for as long as an answer may be, and no longer', async () => {
    const piece = Buffer.alloc(65_536, ' ')
    let written = 0
    const server = createServer((_request, response) => {
      const talk = (): void => {
        while (response.write(piece)) written += piece.length
      }
      response.on('drain', talk)
      talk()
    })
    onTestFinished(() => void server.close())
    const { port } = await new Promise<AddressInfo>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo)),
    )
    const tokens = createAccessTokens(clientCredentials(`http://127.0.0.1:${port}/`), { now: Date.now })
    await expect(tokens.get({ renewed: false })).rejects.toThrow('too great length')
    expect(written).toBeLessThan(32 * 2 ** 20)
  })
})

describe('XOAUTH2', () => {
  async function relay(token: string) {
    const users = { 'codes@example.com': token }
    const server = await startSmtpServer({ authMechanisms: ['XOAUTH2'], users })
    onTestFinished(() => server.stop())
    const { url, requests, answer } = await endpoint()
    const auth = { user: 'codes@example.com', grant: clientCredentials(url) }
    return { server, users, requests, answer, mailer: mailerFor(server, { auth, connectionsMax: 1 }) }
  }

  it('lets us in with a token, and with the same one on the next connection', async () => {
    const { server, requests, mailer } = await relay('token-1')
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toMatchObject({
      outcome: 'accepted',
    })
    server.cut()
    await expect.poll(() => mailer.stats().idle).toBe(0)
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toMatchObject({
      outcome: 'accepted',
    })
    expect(server.messages.map(({ user }) => user)).toEqual(['codes@example.com', 'codes@example.com'])
    expect(requests).toHaveLength(1)
  })

  it('renews a token that the server refuses, once', async () => {
    const { requests, mailer } = await relay('token-2')
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toMatchObject({
      outcome: 'accepted',
    })
    expect(requests).toHaveLength(2)
  })

  it('is refused when the server refuses the new one too', async () => {
    const { server, requests, mailer } = await relay('another')
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toEqual({
      upstream: 'primary',
      outcome: 'not_sent',
      phase: 'auth',
      cause: 'reply',
      code: 535,
      enhancedCode: '5.7.8',
    })
    expect(requests).toHaveLength(2)
    expect(server.messages).toHaveLength(0)
  })

  it('tells a refusal of the token endpoint from its failure', async () => {
    const { answer, mailer } = await relay('token-1')
    answer(400, { error: 'invalid_grant' })
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toMatchObject({
      phase: 'auth',
      cause: 'auth',
    })
    answer(500, 'down')
    expect(await mailer.send(messageTo('ada@example.com'), within(2_000))).toMatchObject({
      phase: 'auth',
      cause: 'connection',
    })
  })

  it('shows no token in what is logged', async () => {
    const { mailer } = await relay('another')
    await mailer.send(messageTo('ada@example.com'), within(2_000))
    expect(JSON.stringify(mailer.logged)).not.toContain('token-')
  })
})
