import { runService, sendRaw, startService, startSmtpServer } from '@herald/testing'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

const pepper = createHash('sha256').update('pepper of the mail tests').digest('hex')

it('an issued API key sends with its scope, and nothing without it or once revoked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-smtp-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const relay = await startSmtpServer()
  onTestFinished(() => relay.stop())
  const keyEnv = {
    API_KEYS_FILE: join(folder, 'keys.json'),
    API_KEY_PEPPERS: JSON.stringify({ p1: pepper }),
  }
  const command = async (...args: string[]) => {
    const { code, output } = await runService('herald-smtp', ['api-keys', ...args, '--json'], keyEnv)
    expect(code).toBe(0)
    return JSON.parse(output) as { id: string; key: string }
  }
  const sender = await command('create', '--scopes', 'smtp:send', '--service', 'herald')
  const reader = await command('create', '--scopes', 'smtp:read,smtp:admin')
  const start = async () => {
    const service = await startService('herald-smtp', {
      ...keyEnv,
      ENVIRONMENT: 'test',
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(relay.port),
      SMTP_USE_STARTTLS: 'false',
      SMTP_FROM: 'noreply@herald.example',
      SQLITE_PATH: join(folder, 'store.sqlite'),
    })
    onTestFinished(() => service.kill())
    return service
  }
  const send = async ({ url }: { url: string }, key: string) => {
    const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' }
    const body = JSON.stringify({ to: 'u@x.example', subject: 'Login', body: 'Code 123456' })
    return (await sendRaw(url, { target: '/v1/send', headers, body })).status
  }

  const before = await start()
  expect([await send(before, sender.key), await send(before, reader.key)]).toEqual([200, 403])
  await before.stop()
  await command('revoke', sender.id)
  expect(await send(await start(), sender.key)).toBe(401)
  expect(relay.messages).toHaveLength(1)
})
