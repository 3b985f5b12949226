import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { GateFinding } from '@herald/config'
import { freePort } from '@herald/testing'
import { afterEach, describe, expect, it } from 'vitest'

const fixture = fileURLToPath(new URL('run-service.fixture.ts', import.meta.url))
const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

type Line = Record<string, unknown> & { msg: string; level: string }

function run(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [fixture], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const lines = (): Line[] =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line)
  return {
    child,
    lines,
    exit: once(child, 'close').then(([code]) => code as number | null),
    line: async (msg: string): Promise<Line> => {
      for (;;) {
        const found = lines().find((line) => line.msg === msg)
        if (found) return found
        await once(child.stdout, 'data')
      }
    },
  }
}

function runOnFullDisk(env: Record<string, string>) {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [fixture], { env, stdio: ['ignore', full, 'inherit'] })
  children.add(child)
  closeSync(full)
  return { child, exit: once(child, 'close').then(([code]) => code as number | null) }
}

/** Its output is a pipe that is full before it has taken all that `/flood` writes. */
function runUnread(env: Record<string, string>) {
  const child = spawn(process.execPath, [fixture], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  return { child, exit: once(child, 'exit').then(([code]) => code as number | null) }
}

async function runListening(env: Record<string, string> = {}) {
  const service = run(env)
  const { port } = await service.line('listening')
  return { ...service, url: `http://127.0.0.1:${String(port)}` }
}

describe('runService', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s answers what is in flight, closes, and exits with 0',
    async (signal) => {
      const { child, url, line, lines, exit } = await runListening()
      const answer = fetch(`${url}/slow`)
      await line('arrived')
      child.kill(signal)
      expect(await (await answer).text()).toBe('done')
      expect(await exit).toBe(0)
      expect(lines().map(({ msg }) => msg)).toEqual(['listening', 'arrived', 'draining', 'closed', 'stopped'])
    },
  )

  it.each([
    ['SIGTERM', 'SIGINT'],
    ['SIGINT', 'SIGINT'],
  ] as const)('draining after %s ends at once on %s', async (first, second) => {
    const { child, url, line, exit } = await runListening()
    const answer = fetch(`${url}/stuck`).catch(() => 'cut')
    await line('arrived')
    child.kill(first)
    await line('draining')
    child.kill(second)
    await exit
    expect(child.signalCode).toBe(second)
    expect(await answer).toBe('cut')
  })

  it('stops at once on a signal before it listens', async () => {
    const { child, line, exit } = run({ HANG: '1', FINDINGS: findings('ENV_BACKEND') })
    await line('NAME is so')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  it('exits with 78 after one line for each problem of the configuration', async () => {
    const { lines, exit } = run({ PORT: 'marker', COUNT: '3', GATE_ACCEPT: 'marker' })
    expect(await exit).toBe(78)
    expect(lines()).toMatchObject([
      { level: 'fatal', variable: 'PORT', msg: 'PORT must be a port such as 8084 or :8084' },
      { level: 'fatal', variable: 'GATE_ACCEPT' },
      { level: 'fatal', variable: 'COUNT', msg: 'COUNT must be a whole number from 1 to 2' },
    ])
    expect(JSON.stringify(lines())).not.toContain('marker')
  })

  it('exits with 78 when the gate refuses, naming code and remedy', async () => {
    const { lines, exit } = run({ FINDINGS: findings('NO_AUTH', 'CLOCK_SKEW', 'FILE_PERMS') })
    expect(await exit).toBe(78)
    expect(lines()).toMatchObject([
      { level: 'warn', code: 'CLOCK_SKEW', variable: 'NAME', remedy: 'do so', msg: 'NAME is so' },
      { level: 'fatal', code: 'NO_AUTH', variable: 'NAME', remedy: 'do so', msg: 'NAME is so' },
      { level: 'fatal', code: 'FILE_PERMS' },
    ])
  })

  it('starts with a warning and a gauge where the gate is told to accept', async () => {
    const { url, lines } = await runListening({ FINDINGS: findings('NO_AUTH'), GATE_ACCEPT: 'NO_AUTH' })
    expect(lines()[0]).toMatchObject({ level: 'warn', code: 'NO_AUTH' })
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/herald_gate_accepted\{code="NO_AUTH".*\} 1/)
  })

  it('says of a taken port in one line that it is taken, and exits with 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const { lines, exit } = run({ PORT: String(port) })
    expect(await exit).toBe(1)
    expect(lines()).toHaveLength(1)
    expect(lines()[0]?.msg).toBe(`port ${port} is taken; stop what listens there or set PORT`)
    taken.close()
  })

  it('serves while the disk that its output goes to is full, and ends as it should', async () => {
    const port = await freePort()
    const { child, exit } = runOnFullDisk({ PORT: String(port) })
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    await expect.poll(() => get('/slow').catch(() => 'not yet'), { timeout: 15_000 }).toBe('done')
    expect(await get('/slow')).toBe('done')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
    expect(await runOnFullDisk({ PORT: 'marker' }).exit).toBe(78)
  })

  it('serves while nobody reads its output, and ends as it should', async () => {
    const port = await freePort()
    const { child, exit } = runUnread({ PORT: String(port) })
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    await expect.poll(() => get('/flood').catch(() => 'not yet'), { timeout: 15_000 }).toBe('done')
    expect(await get('/slow')).toBe('done')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  it('writes every line before a crash ends it, also what is said at the very end', async () => {
    const { url, lines, exit } = await runListening()
    await fetch(`${url}/crash`).catch(() => undefined)
    expect(await exit).toBe(1)
    expect(lines().filter(({ msg }) => msg === 'before')).toHaveLength(1000)
    expect(lines().slice(-2)).toMatchObject([
      { level: 'fatal', msg: 'crashed', err: { message: 'crash' } },
      { msg: 'last words' },
    ])
  })
})

function findings(...codes: GateFinding['code'][]): string {
  return JSON.stringify(codes.map((code) => ({ code, variable: 'NAME', message: 'is so', remedy: 'do so' })))
}
