import { createKeyring, formatKeyringJson, keyCheckValue, parseKeyringJson } from '@herald/crypto'
import { runService } from '@herald/testing'
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { firstId, firstKey, openRotation, seed, seededCode, type Rotation } from './rotation-harness.ts'
import { baseEnv, temporaryFolder, type Caller } from './service-harness.ts'

let rotation: Rotation
const running: { stop: () => Promise<unknown> }[] = []

beforeEach(async () => {
  rotation = await openRotation('redis')
})

afterEach(async () => {
  for (const service of running.splice(0)) await service.stop()
  await rotation.close()
})

async function startReplica() {
  const service = await rotation.startTotp()
  running.push(service)
  const has = async (text: string) => (await service.caller.get('/readyz')).text.includes(text)
  return {
    ...service,
    flag: ['--replica', `${service.url}/readyz`],
    /** Takes the keyring file as it is now. */
    async reload(shows: string) {
      service.hangUp()
      while (!(await has(shows))) await delay(10)
    },
    async metric(name: string) {
      const text = await (await fetch(`${service.url}/metrics`)).text()
      return Number(new RegExp(`^${name}[^ ]* (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
    },
  }
}

const verifies = async (caller: Caller, subject: string, offset = 0) =>
  (await caller.verify(subject, seededCode(subject, offset))).status

describe('a rotation of the encryption key', () => {
  it('goes through two replicas without refusing one code', async () => {
    const subjects = Array.from({ length: 12 }, (_, n) => `subject ${n}`)
    await seed(rotation, subjects)
    const replicas = [await startReplica(), await startReplica()]
    const flags = replicas.flatMap(({ flag }) => flag)
    let turn = 0
    const everybodyIn = async () => {
      for (const { caller } of replicas) expect(await verifies(caller, subjects[turn++]!)).toBe(200)
    }
    await everybodyIn()
    const newId = await rotation.stageNew()
    await replicas[0]!.reload(newId)
    const early = await rotation.keys('promote', newId, ...flags)
    expect(early).toEqual({
      code: 1,
      answer: { ok: false, problems: [`${replicas[1]!.url}/readyz does not have key ${newId}`] },
    })
    await everybodyIn()
    await replicas[1]!.reload(newId)
    expect((await rotation.keys('promote', newId, ...flags)).answer).toMatchObject({
      key: { state: 'primary' },
    })
    await replicas[0]!.reload(`"primary":"${newId}"`)
    const pending = await replicas[0]!.caller.start('written under the new key')
    expect((await rotation.keys('retire', firstId, ...flags)).answer.problems).toEqual([
      `${replicas[1]!.url}/readyz still seals with key ${firstId}`,
    ])
    const confirmed = await replicas[1]!.caller.post('/v1/enroll/confirm', {
      enroll_id: pending.enroll_id,
      code: pending.code(0),
    })
    expect(confirmed.status).toBe(200)
    await replicas[1]!.reload(`"primary":"${newId}"`)
    await everybodyIn()
    expect((await rotation.keys('retire', firstId, ...flags)).answer.problems[0]).toContain(
      'run main.js rekey first',
    )
    expect((await rotation.run('rekey')).code).toBe(0)
    expect((await rotation.keys('retire', firstId, ...flags)).code).toBe(0)
    for (const replica of replicas) await replica.reload('"state":"disabled"')
    await everybodyIn()
    expect((await rotation.keys('retire', firstId, '--remove')).code).toBe(0)
    for (const { caller, hangUp } of replicas) {
      hangUp()
      while ((await caller.get('/readyz')).text.includes(firstId)) await delay(10)
    }
    await everybodyIn()
    expect((await replicas[0]!.caller.verify('unknown', '123456')).status).toBe(401)
    expect((await (await startReplica()).caller.get('/readyz')).status).toBe(200)
  })

  it('changes nothing while a replica does not answer, or has another key of that name', async () => {
    const newId = await rotation.stageNew()
    const before = rotation.text()
    const nobody = ['--replica', 'http://127.0.0.1:1/readyz']
    expect((await rotation.keys('promote', newId, ...nobody)).answer.problems).toEqual([
      'http://127.0.0.1:1/readyz does not answer',
    ])
    expect((await rotation.keys('promote', newId)).answer.problems[0]).toContain('--replica')
    const other = { ...parseKeyringJson(before) }
    rotation.publish(
      formatKeyringJson({
        ...other,
        entries: other.entries.map((entry) =>
          entry.id === newId ? { ...entry, key: randomBytes(32) } : entry,
        ),
      }),
    )
    const { flag } = await startReplica()
    rotation.publish(before)
    expect((await rotation.keys('promote', newId, ...flag)).answer.problems[0]).toContain(
      `has another key ${newId}`,
    )
    expect(rotation.text()).toBe(before)
  })
})

describe('attack 18: a keyring that is empty, short, double or without the key in use', () => {
  it('changes nothing in a running service, which says so', async () => {
    await seed(rotation, ['alice'])
    const replica = await startReplica()
    const good = rotation.text()
    const [key] = parseKeyringJson(good).entries
    const stranger = randomBytes(32)
    const published = [
      '',
      '{}',
      good.replace(/base64:[^"]{10}/, 'base64:'),
      good.slice(0, good.length / 2),
      formatKeyringJson({ primaryId: firstId, entries: [key!, { ...key!, id: 'twin' }] }),
      formatKeyringJson({
        primaryId: 'stranger',
        entries: [{ id: 'stranger', key: stranger, state: 'enabled' }],
      }),
      formatKeyringJson({ primaryId: firstId, entries: [{ ...key!, key: stranger }] }),
    ]
    for (const [index, text] of published.entries()) {
      rotation.publish(text)
      replica.hangUp()
      while ((await replica.metric('herald_totp_keyring_reloads_total{result="refused"')) <= index)
        await delay(10)
      expect(await replica.metric('herald_totp_keyring_stale')).toBe(1)
    }
    const refusals = () => replica.output().match(/keyring_refused/g)?.length
    await expect.poll(refusals).toBeGreaterThanOrEqual(published.length)
    expect(replica.output()).toContain(`check value is ${keyCheckValue(stranger)}`)
    expect(replica.output()).not.toContain(stranger.toString('base64'))
    expect(await verifies(replica.caller, 'alice')).toBe(200)
    rotation.publish(good)
    await replica.reload(firstId)
    while ((await replica.metric('herald_totp_keyring_stale')) !== 0) await delay(10)
  })
})

describe('attack 15: a record from before the rekey, restored after its key was retired', () => {
  it('is 500 and an alarm, and no other key is tried', async () => {
    await seed(rotation, ['alice'])
    const client = new Redis(rotation.redisUrl)
    const [key] = await client.keys('totp:{*:subject')
    const old = await client.dumpBuffer(key!)
    const newId = await rotation.stageNew()
    await rotation.keys('promote', newId, '--offline')
    expect((await rotation.run('rekey')).code).toBe(0)
    expect((await rotation.keys('retire', firstId, '--offline')).code).toBe(0)
    const { caller, metric } = await startReplica()
    await client.restore(key!, 0, old, 'REPLACE')
    client.disconnect()
    expect(await verifies(caller, 'alice')).toBe(500)
    expect(await metric('herald_totp_box_errors_total{code="disabled_key"')).toBe(1)
    await rotation.keys('stage', firstId)
    const back = await startReplica()
    expect(await verifies(back.caller, 'alice')).toBe(200)
  })
})

describe('the canary', () => {
  it('refuses a start with a wrong key under a known id, and one without a key that the store needs', async () => {
    await (await rotation.startTotp()).stop()
    const { entries, ...rest } = parseKeyringJson(rotation.text())
    const wrong = randomBytes(32)
    rotation.publish(
      formatKeyringJson({ ...rest, entries: entries.map((entry) => ({ ...entry, key: wrong })) }),
    )
    const refused = await runService('herald-totp', [], rotation.commandEnv)
    expect(refused.code).toBe(78)
    expect(refused.output).toContain(keyCheckValue(wrong))
    expect(refused.output).toContain(keyCheckValue(firstKey))
    const lost = await runService('herald-totp', [], {
      ...rotation.commandEnv,
      TOTP_KEYRING_FILE: '',
      HERALD_TOTP_ENCRYPTION_KEY: `hex:${wrong.toString('hex')}`,
    })
    expect(lost.code).toBe(78)
    expect(lost.output).toContain(`the store needs key ${firstId} (check value ${keyCheckValue(firstKey)})`)
  })

  it('makes a running service not ready when the store was sealed with another key of that id', async () => {
    const replica = await startReplica()
    const client = new Redis(rotation.redisUrl)
    const foreign = createKeyring({
      primaryId: firstId,
      entries: [{ id: firstId, key: randomBytes(32), state: 'enabled' }],
      randomBytes,
    })
    const context = { service: 'herald-totp', purpose: 'canary', recordId: firstId, field: 'value' }
    const right = await client.hget('totp:crypto:canary', firstId)
    await client.hset(
      'totp:crypto:canary',
      firstId,
      `${foreign.keys[0]!.kcv} ${foreign.seal(context, Buffer.from('canary'))}`,
    )
    const answer = await replica.caller.get('/readyz')
    expect(answer.status).toBe(503)
    expect(answer.text).toContain(`its check value is ${keyCheckValue(firstKey)}`)
    await client.hset('totp:crypto:canary', firstId, right!)
    expect((await replica.caller.get('/readyz')).status).toBe(200)
    client.disconnect()
  })
})

describe('main.js keys', () => {
  it('begins a file that its owner alone can read, and leaves no other behind', async () => {
    const folder = temporaryFolder()
    const path = join(folder.path, 'new.json')
    const env = { ...rotation.commandEnv, TOTP_KEYRING_FILE: path }
    const { code, output } = await runService('herald-totp', ['keys', 'generate'], env)
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('is primary') })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(existsSync(`${path}.new`)).toBe(false)
    folder.remove()
  })

  it('never shows a key', async () => {
    const outputs = []
    const { answer } = await rotation.keys('generate')
    for (const words of [
      ['keys', 'list'],
      ['keys', 'status', '--json'],
      ['keys', 'stage', answer.key.id],
      ['keys', 'promote', answer.key.id, '--offline'],
      ['keys', 'retire', firstId, '--offline'],
      ['keys', 'retire', firstId, '--remove'],
      ['rekey', '--dry-run'],
    ])
      outputs.push((await rotation.run(...words)).output)
    const keys = parseKeyringJson(rotation.text()).entries.map(({ key }) => key)
    for (const key of [...keys, firstKey])
      for (const encoding of ['base64', 'hex'] as const)
        expect(outputs.join('\n')).not.toContain(key.toString(encoding))
    expect(outputs.join('\n')).toContain(answer.key.kcv)
  })

  it('never takes a retired key back', async () => {
    const newId = await rotation.stageNew()
    await rotation.keys('promote', newId, '--offline')
    await rotation.keys('retire', firstId, '--offline')
    await rotation.keys('retire', firstId, '--remove')
    const settings = parseKeyringJson(rotation.text())
    expect(settings.retired).toMatchObject([{ id: firstId, kcv: keyCheckValue(firstKey) }])
    const again = { id: 'again', key: firstKey, state: 'pending' as const }
    rotation.publish(formatKeyringJson({ ...settings, entries: [...settings.entries, again] }))
    const refused = await rotation.run('config', 'check')
    expect(refused).toMatchObject({ code: 78, output: expect.stringContaining('was retired') })
  })

  it('makes one change at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => rotation.keys('generate')))
    const made = answers.filter(({ code }) => code === 0).length
    expect(parseKeyringJson(readFileSync(rotation.path, 'utf8')).entries).toHaveLength(1 + made)
  })

  it('says with its exit code that a key in use is overdue', async () => {
    const { code, answer } = await rotation.keys('status')
    expect({ code, overdue: answer.overdue }).toEqual({ code: 1, overdue: [firstId] })
    const newId = await rotation.stageNew()
    await rotation.keys('promote', newId, '--offline')
    await rotation.keys('retire', firstId, '--offline')
    expect((await rotation.keys('status')).code).toBe(0)
    expect((await rotation.keys('status', '--max-age', '0d')).code).toBe(0)
    const settings = parseKeyringJson(rotation.text())
    const entries = settings.entries.map((entry) => ({ ...entry, createdAt: '2026-01-01T00:00:00.000Z' }))
    rotation.publish(formatKeyringJson({ ...settings, entries }))
    expect((await rotation.keys('status')).answer.overdue).toEqual([newId])
  })

  it('refuses what is no such command, file or key', async () => {
    for (const words of [
      ['keys', 'stage', 'nobody'],
      ['keys', 'promote', firstId, '--replica'],
      ['keys', 'retire', firstId, '--offline'],
      ['keys', 'status', '--max-age', 'soon'],
      ['keys', 'generate', '--id', 'Not An Id'],
      ['keys', 'generate', '--adopt'],
      ['rekey', '--rate', '0'],
    ])
      expect(await rotation.run(...words)).toMatchObject({ code: 1 })
    const without = await runService('herald-totp', ['keys', 'list'], { ...baseEnv })
    expect(without).toMatchObject({ code: 1, output: expect.stringContaining('TOTP_KEYRING_FILE') })
  })
})

describe('main.js rekey', () => {
  it('opens everything and changes nothing when it only tries', async () => {
    await seed(rotation, ['alice', 'bob'])
    const newId = await rotation.stageNew()
    await rotation.keys('promote', newId, '--offline')
    const { code, output } = await rotation.run('rekey', '--dry-run')
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('"done":4') })
    expect((await rotation.keys('status')).answer.keys).toMatchObject([
      { id: firstId, records: 4 },
      { id: newId, records: 0 },
    ])
  })

  it('ends with 2 and says what failed when a record cannot be opened', async () => {
    await seed(rotation, ['alice', 'bob'])
    const newId = await rotation.stageNew()
    await rotation.keys('promote', newId, '--offline')
    const client = new Redis(rotation.redisUrl)
    const [key] = await client.keys('totp:{*:subject')
    await client.hset(key!, 'backupSet', 'AAAA')
    client.disconnect()
    const { code, output } = await rotation.run('rekey')
    expect(code).toBe(2)
    expect(output).toContain('{"event":"failed","kind":"backup","keyId":"malformed.","code":"malformed"}')
    expect(output).toContain('"done":3')
    expect(output).toContain('"remaining":{"malformed.":1}')
  })

  it('repeats nothing of a record that is damaged', async () => {
    await seed(rotation, ['alice'])
    const client = new Redis(rotation.redisUrl)
    const [key] = await client.keys('totp:{*:subject')
    await client.hset(key!, 'credential:c_x', 'marker of a subject')
    client.disconnect()
    for (const words of [['rekey'], ['keys', 'status']])
      expect(await rotation.run(...words)).toEqual({
        code: 1,
        output: 'a record in the store is damaged\n',
      })
  })
})
