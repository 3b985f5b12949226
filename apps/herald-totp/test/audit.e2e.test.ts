import { runService } from '@herald/testing'
import { readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { baseEnv, openEngine, startTotp, temporaryFolder, type Caller } from './service-harness.ts'

const adminApiKey = 'admin-key-of-the-tests-97d23be654f81c0a'
const secrets = {
  ADMIN_API_KEY: adminApiKey,
  AUDIT_KEY: 'the-audit-key-of-the-tests-0c9a1f7d5b3e',
  LOCK_AFTER_FAILURES: '3',
}

type Line = Record<string, unknown> & { event: string }
const parse = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{"audit":1,'))
    .map((line) => JSON.parse(line) as Line)

/** A new folder that goes with the test, and a file in it. */
function auditFile(): string {
  const folder = temporaryFolder()
  onTestFinished(folder.remove)
  return join(folder.path, 'audit.log')
}

/** Everything that the trail is to tell of, once. */
async function live(caller: Caller, url: string): Promise<{ secrets: string[] }> {
  const started = await caller.start('alice')
  await caller.post('/v1/enroll/confirm', { enroll_id: started.enroll_id, code: started.wrong() })
  const { body } = await caller.post('/v1/enroll/confirm', {
    enroll_id: started.enroll_id,
    code: started.code(0),
  })
  const [backupCode = ''] = body['backup_codes'] as string[]
  await caller.verify('alice', started.code(1))
  await caller.verify('alice', started.code(1))
  await caller.verify('alice', backupCode)
  for (let n = 0; n < 6; n++) await caller.verify('alice', started.wrong(n))
  await fetch(`${url}/v1/verify`, { method: 'POST', headers: { 'X-API-Key': 'wrong-key' } })
  await caller.post('/v1/unlock', { subject: 'alice' })
  const headers = { 'X-API-Key': adminApiKey, 'Content-Type': 'application/json' }
  await fetch(`${url}/v1/unlock`, { method: 'POST', headers, body: '{"subject":"alice"}' })
  await caller.post('/v1/revoke', { subject: 'alice' })
  return { secrets: ['alice', backupCode, started.code(0), started.code(1), started.wrong()] }
}

describe.each(['sqlite', 'redis'] as const)('the audit trail on %s', (engine) => {
  let store: Awaited<ReturnType<typeof openEngine>>
  beforeAll(async () => void (store = await openEngine(engine)))
  afterAll(() => store.close())

  const environment = (file: string) => ({ ...baseEnv, ...secrets, ...store.env, AUDIT_FILE: file })
  const verify = (files: string[], env: Record<string, string>, ...options: string[]) =>
    runService('herald-totp', ['audit', 'verify', '--json', ...options, ...files], env)

  it('tells each event once, with neither a code nor a subject, and is whole after a stop', async () => {
    const file = auditFile()
    const env = environment(file)
    const service = await startTotp(env)
    const { secrets: hidden } = await live(service.caller, service.url)
    const metrics = await (await fetch(`${service.url}/metrics`)).text()
    expect(await service.stop()).toBe(0)

    const text = readFileSync(file, 'utf8')
    const counts = Object.entries(Object.groupBy(parse(text), ({ event }) => event))
    expect(Object.fromEntries(counts.map(([event, lines]) => [event, lines?.length]))).toEqual({
      started: 1,
      key_first_used: 3,
      enrolled: 1,
      refused: expect.any(Number) as number,
      confirmed: 1,
      replayed: 1,
      backup_used: 1,
      locked: expect.any(Number) as number,
      auth_refused: 2,
      unlocked: 1,
      revoked: 1,
      stopped: 1,
    })
    expect(hidden.filter((secret) => text.includes(secret))).toEqual([])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(metrics).toMatch(/^security_events_total\{event="replayed",.*\} 1$/m)
    expect(metrics).toMatch(/^auth_failures_total\{reason="bad_key",caller="unproven",.*\} 1$/m)
    expect(metrics).toMatch(/^auth_requests_total\{scheme="api-key",key_id="legacy",.*\} \d+$/m)
    expect(metrics).toMatch(/^store_clock_skew_seconds\{.*\} -?[\d.e-]+$/m)
    const { code, output } = await verify([file], env, '--since', new Date().toISOString())
    expect([code, output]).toEqual([0, expect.stringContaining('"ok":true')])
  })

  it('is named where a line was changed, removed or moved, or the tail cut off', async () => {
    const file = auditFile()
    const env = environment(file)
    const service = await startTotp(env)
    for (const subject of ['bob', 'carol', 'dave']) await service.caller.start(subject)
    await service.stop()
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const last = lines.length - 1
    const bent: [string, string[], number][] = [
      ['changed', lines.with(3, lines[3]!.replace('enrolled', 'confirmed')), 4],
      ['removed', lines.toSpliced(3, 1), 4],
      ['reordered', lines.with(3, lines[4]!).with(4, lines[3]!), 4],
      ['cut', lines.slice(0, last), last],
    ]
    for (const [kind, left, line] of bent) {
      writeFileSync(file, `${left.join('\n')}\n`)
      const { code, output } = await verify([file], env, '--since', '2200-01-01')
      expect([code, output]).toEqual([1, expect.stringContaining(`"kind":"${kind}"`)])
      expect(output).toContain(`"line":${line}`)
    }
    const { problems } = JSON.parse((await verify(['/dev/null'], env)).output) as { problems: Line[] }
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'missing' }))
  })

  it('is whole after a SIGKILL, and says that its chain has no end', async () => {
    const file = auditFile()
    const env = environment(file)
    const service = await startTotp(env)
    await service.caller.start('erin')
    await expect.poll(() => readFileSync(file, 'utf8')).toContain('"event":"enrolled"')
    await service.kill()
    const { code, output } = await verify([file], env, '--since', '2200-01-01')
    expect([code, output]).toEqual([0, expect.stringContaining('"ended":false')])
  })
})

describe('the audit trail', () => {
  it('shares the standard output with the log, line by line', async () => {
    const store = await openEngine('sqlite')
    onTestFinished(store.close)
    const env = { ...baseEnv, ...secrets, ...store.env }
    const service = await startTotp(env)
    await Promise.all(Array.from({ length: 50 }, (_, n) => service.caller.start(`user-${n}`)))
    expect(await service.stop()).toBe(0)
    const file = auditFile()
    writeFileSync(file, service.output())
    const { code, output } = await runService('herald-totp', ['audit', 'verify', file], env)
    expect([code, output]).toEqual([0, expect.stringContaining('the trail is whole: 54 lines in 1 chains')])
  })

  it('refuses a start whose file it cannot have', async () => {
    const store = await openEngine('sqlite')
    onTestFinished(store.close)
    const env = { ...baseEnv, ...store.env, AUDIT_FILE: '/nowhere/audit.log' }
    const { code, output } = await runService('herald-totp', [], env)
    expect([code, output]).toEqual([78, expect.stringContaining('AUDIT_FILE cannot be opened')])
  })

  it.skipIf(process.platform !== 'linux')(
    'shuts nobody out while the disk is full, and says so in the log and in a metric',
    async () => {
      const store = await openEngine('sqlite')
      onTestFinished(store.close)
      const file = auditFile()
      const service = await startTotp({ ...baseEnv, ...store.env, AUDIT_FILE: file })
      onTestFinished(() => service.kill())
      rmSync(file)
      symlinkSync('/dev/full', file)
      process.kill(service.pid, 'SIGHUP')
      const answer = async () => {
        const { status } = await service.caller.post('/v1/revoke', { subject: 'alice' })
        return [status, await (await fetch(`${service.url}/metrics`)).text()] as const
      }
      await expect.poll(async () => (await answer())[1]).toMatch(/^audit_write_failing\{.*\} 1$/m)
      expect((await answer())[0]).toBe(200)
      await expect.poll(service.output).toContain('"event":"audit_write_failed"')
      expect(await service.stop()).toBe(0)
      expect(service.output()).not.toContain('crashed')
    },
  )
})
