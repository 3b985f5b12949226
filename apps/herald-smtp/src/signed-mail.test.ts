import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { generateKeyPairSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { startTestedService } from './app.fixture.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

it('a mail that the service sends arrives with a signature that verifies', async () => {
  const { send, server, logged } = await startTestedService({
    DKIM_KEY: privateKey,
    DKIM_SELECTOR: 'k1',
    DKIM_DOMAIN: 'herald.example',
  })
  const answers = await Promise.all(
    ['ar', 'en', 'zh'].map((locale) => send({ to: 'u@x.example', params: { code: '482913' }, locale })),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])

  const asked: string[] = []
  const resolver = async (name: string) => {
    asked.push(name)
    return [[`v=DKIM1; p=${publicKey.toString('base64')}`]]
  }
  for (const { raw } of server.messages) {
    const { results } = await dkimVerify(raw, { resolver })
    expect(results.map(({ status }) => status)).toMatchObject([{ result: 'pass', aligned: 'herald.example' }])
  }
  expect(new Set(asked)).toEqual(new Set(['k1._domainkey.herald.example']))
  expect(logged()).not.toContain(privateKey.split('\n')[1])
})
