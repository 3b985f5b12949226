import { redisTopologies, refusedCommands, runService } from '@herald/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { baseEnv, startTotp, type Caller } from './service-harness.ts'

/** From the start of an enrolment to the end of the subject. */
async function live(caller: Caller, subject: string): Promise<void> {
  const { code, wrong, backupCodes } = await caller.enrol(subject)
  const next = code(1)
  expect((await caller.verify(subject, wrong())).status).toBe(401)
  expect((await caller.verify(subject, next)).status).toBe(200)
  expect((await caller.verify(subject, next)).body['reason']).toBe('replay')
  expect((await caller.verify(subject, backupCodes[0] ?? '')).status).toBe(200)
  expect((await caller.status(subject)).body['backup_codes_remaining']).toBe(9)
  expect((await caller.post('/v1/revoke', { subject })).status).toBe(200)
  expect((await caller.verify(subject, backupCodes[1] ?? '')).status).toBe(401)
}

/** On a Cluster the last two look at, or write to, each of its 16,384 slots: redis-cluster.full.test.ts has them. */
const commands = [['config', 'check'], ['unlock', 'alice'], ['rekey'], ['store', 'confirm']]

describe.each(redisTopologies.filter(({ skip }) => !skip))('on $name', ({ name, start }) => {
  it('everything works that works on one server, with the commands of an operator', async () => {
    const redis = await start('herald-totp')
    onTestFinished(redis.stop)
    const { caller, stop } = await startTotp(redis.env)
    await Promise.all(Array.from({ length: 8 }, (_, n) => live(caller, `subject ${n}`)))
    await caller.enrol('alice')
    expect((await caller.get('/readyz')).status).toBe(200)

    const env = { ...baseEnv, ...redis.env }
    for (const words of name === 'a Cluster' ? commands.slice(0, 2) : commands)
      expect(await runService('herald-totp', words, env)).toMatchObject({ code: 0 })
    expect((await caller.status('alice')).status).toBe(200)
    expect(await stop()).toBe(0)
    for (const server of redis.servers) expect(await refusedCommands(server)).toEqual([])
  }, 60_000)
})
