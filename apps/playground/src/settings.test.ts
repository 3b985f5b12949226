import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { findTakenPorts } from './ports.ts'
import { readSettings } from './settings.ts'

describe('readSettings', () => {
  it('takes the services where their callers expect them unless told otherwise', () => {
    expect(readSettings({}).ports).toMatchObject({ 'herald-totp': 8084, 'herald-smtp': 8085 })
    expect(readSettings({ HERALD_TOTP_PORT: '9084' }).ports['herald-totp']).toBe(9084)
    expect(readSettings({ HERALD_TOTP_PORT: '' }).ports['herald-totp']).toBe(8084)
  })

  it.each(['0', '65536', 'x', '80.5', '-1'])('refuses %s as a port by the name of its variable', (port) => {
    expect(() => readSettings({ HERALD_SMTP_PORT: port })).toThrow('HERALD_SMTP_PORT')
  })
})

describe('findTakenPorts', () => {
  it('names each taken port and what wanted it in one line, and nothing else', async () => {
    const servers = [0, 0, 0, 0].map((port) => createServer().listen(port, '127.0.0.1'))
    await Promise.all(servers.map((server) => once(server, 'listening')))
    const [totp, taken, page, mail] = servers.map((server) => (server.address() as AddressInfo).port)
    const [holder, ...others] = [servers[1]!, servers[0]!, servers[2]!, servers[3]!]
    await Promise.all(others.map((server) => promisify(server.close).call(server)))

    const ports = { 'herald-totp': totp!, 'herald-smtp': taken!, 'inbox page': page!, 'mail catcher': mail! }
    const lines = await findTakenPorts(ports)
    holder.close()

    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(
      new RegExp(`^Port ${taken} is taken, and herald-smtp needs it: .*HERALD_SMTP_PORT`),
    )
  })
})
