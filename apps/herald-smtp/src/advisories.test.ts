import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { onTestFinished, describe, expect, it } from 'vitest'
import { startTestedService, type TestedService } from './app.fixture.ts'

/** Every recipient that the mail server was given, whatever message it was for. */
const recipients = ({ server }: TestedService) => server.messages.flatMap(({ to }) => to)
const headOf = ({ server }: TestedService) => server.messages[0]?.raw.toString().split('\r\n\r\n')[0] ?? ''

async function expectRefused(service: TestedService, addresses: readonly string[]): Promise<void> {
  for (const to of addresses) {
    expect((await service.send({ to, body: 'Code 482913' })).status).toBe(400)
  }
  expect(recipients(service)).toEqual([])
}

/** What was once wrong in nodemailer, tried on the service that is built upon it. */
describe('an advisory of nodemailer', () => {
  it('GHSA-mm7p-fcc7-pg87: no quoted local part sends the mail to an address inside the quotes', async () => {
    const service = await startTestedService()
    await expectRefused(service, [
      '"victim@evil.example x"@internal.example',
      '"victim@evil.example"@internal.example',
      '"a@evil.example> ORCPT=x"@internal.example',
      'name victim@evil.example <u@internal.example>',
    ])
  })

  it('GHSA-rcmh-qjqh-p98v: nested groups exhaust no stack', async () => {
    const service = await startTestedService()
    await expectRefused(service, ['g:'.repeat(5_000), `${'g0:'.repeat(80)}u@x.example;`])
    expect((await service.send({ to: 'u@x.example', body: 'x' })).status).toBe(200)
  })

  it('GHSA-2x7j-588g-ccc2: an address list of 100 kB is refused without time spent on it', async () => {
    const service = await startTestedService()
    const lists = ['a@x.example,', 'a ', '(c)a', '"', '<', 'a@b '].map((part) =>
      part.repeat(100_000 / part.length),
    )
    const started = performance.now()
    await expectRefused(service, lists)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('GHSA-cc9r-2j5m-2m83: no comment hides a part of the address', async () => {
    const service = await startTestedService()
    await expectRefused(service, [
      'u@x.example(c).evil.example',
      'u@x.example(c)evil.example',
      '"u"@x.example(c)evil.example',
      'u(c)@x.example',
      'U <u@x.example(c)>',
      'u@x(c(n)c).example',
    ])
  })

  it('GHSA-wmmp-3585-3rmp: a domain is mapped by UTS-46 before it is encoded', async () => {
    const service = await startTestedService()
    for (const to of ['u@x\u00ad.example', 'u@ｘ。example', 'u@X.example']) {
      expect((await service.send({ to, body: 'x' })).status).toBe(200)
    }
    expect(recipients(service)).toEqual(['u@x.example', 'u@x.example', 'u@x.example'])
  })

  it('GHSA-vvjj-xcjg-gr5g: the name in EHLO comes from nowhere that a caller reaches', async () => {
    const service = await startTestedService()
    const hostile = 'x\r\nMAIL FROM:<a@evil.example>'
    await service.send({ to: 'u@x.example', body: 'x', name: hostile, host: hostile, template: 'x' })
    expect(service.server.messages).toHaveLength(1)
    for (const { line } of service.server.record.commands) expect(line).not.toContain('evil.example')
  })

  it('GHSA-268h-hp4c-crq3: no field becomes a header, and none carries a line break into one', async () => {
    const service = await startTestedService()
    const hostile = 'x\r\nBcc: v@evil.example'
    const list = { unsubscribe: { url: 'https://evil.example', comment: hostile } }
    await service.send({
      to: 'u@x.example',
      body: 'x',
      list,
      headers: { 'X-Evil': hostile },
      cc: 'v@evil.example',
    })
    expect(headOf(service)).not.toMatch(/evil|^list-|^bcc|^cc/im)
    for (const field of ['subject', 'locale', 'template', 'idempotency_key']) {
      expect((await service.send({ to: 'u@x.example', body: 'x', [field]: hostile })).status).toBe(400)
    }
    expect(recipients(service)).toEqual(['u@x.example'])
  })

  it.each([
    ['GHSA-p6gq-j5cr-w38f', (path: string, href: string) => ({ raw: { path, href } })],
    [
      'GHSA-wqvq-jvpq-h66f',
      (path: string, href: string) => ({ attachments: [{ path }, { href }], html: { path } }),
    ],
    ['GHSA-8m3c-c648-2xjj', (path: string, href: string) => ({ text: { href }, alternatives: [{ path }] })],
  ])('%s: no field makes the service read a file or fetch a URL', async (_, fieldsFor) => {
    const service = await startTestedService()
    let asked = 0
    const web = createServer((_request, response) => {
      asked += 1
      response.end('fetched')
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void web.close())
    await once(web, 'listening')
    const href = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`

    const answer = await service.send({
      to: 'u@x.example',
      body: 'x',
      ...fieldsFor(import.meta.filename, href),
    })
    expect(answer.status).toBe(200)
    const mail = service.server.messages[0]?.raw.toString() ?? ''
    expect(mail).not.toContain(readFileSync(import.meta.filename, 'utf8').slice(0, 40))
    expect(mail).not.toContain('fetched')
    expect(asked).toBe(0)
    for (const body of [{ path: import.meta.filename }, [href], { href }]) {
      expect((await service.send({ to: 'u@x.example', body })).status).toBe(400)
    }
  })
})
