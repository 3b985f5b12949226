import { createKeyring, keyCheckValue, parseKeyBytes, parseKeyringJson } from '@herald/crypto'
import { runService, startCommand } from '@herald/testing'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSettings } from '../src/config.ts'
import { openConfiguredStore } from '../src/configured-store.ts'
import { backupContext, credentialContext } from '../src/domain/box-context.ts'
import { codeAt } from '../src/domain/totp.ts'
import { newEnrollmentId } from '../src/store/subject-tag.ts'
import { standard } from './domain-harness.ts'
import { baseEnv, openEngine, startTotp, temporaryFolder, type Engine } from './service-harness.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** The key of every test's environment, and the id it has when it is adopted. */
export const firstKey = parseKeyBytes(baseEnv.HERALD_TOTP_ENCRYPTION_KEY)
export const firstId = `k${keyCheckValue(firstKey)}`

export type KeysAnswer = {
  key: { id: string; state: string; kcv: string }
  keys: { id: string; state: string; records?: number }[]
  problems: string[]
  overdue: string[]
}

/** A store of its own and a keyring file that begins with the key of the environment. */
export async function openRotation(engine: Engine) {
  const folder = temporaryFolder()
  const store = await openEngine(engine)
  const path = join(folder.path, 'keyring.json')
  const env = { ...store.env, HERALD_TOTP_ENCRYPTION_KEY: '', TOTP_KEYRING_FILE: path }
  const commandEnv = { ...baseEnv, ...env }
  const run = (...words: string[]) => runService('herald-totp', words, commandEnv)
  /** Runs `keys …` and gives its answer. */
  async function keys(...words: string[]) {
    const { code, output } = await run('keys', ...words, '--json')
    return { code, answer: JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as KeysAnswer }
  }
  const adopted = await runService('herald-totp', ['keys', 'generate', '--adopt'], {
    ...commandEnv,
    HERALD_TOTP_ENCRYPTION_KEY: baseEnv.HERALD_TOTP_ENCRYPTION_KEY,
  })
  if (adopted.code !== 0) throw new Error(adopted.output)
  return {
    path,
    redisUrl: `redis://${store.env['REDIS_ADDR']}`,
    env,
    commandEnv,
    run,
    keys,
    text: () => readFileSync(path, 'utf8'),
    publish: (text: string) => writeFileSync(path, text, { mode: 0o600 }),
    startTotp: () => startTotp(env),
    startRekey: (...words: string[]) => startCommand('herald-totp', ['rekey', ...words], commandEnv),
    /** Generates and stages a key, and gives its id. */
    async stageNew(): Promise<string> {
      const { answer } = await keys('generate')
      await keys('stage', answer.key.id)
      return answer.key.id
    },
    async close() {
      await store.close()
      folder.remove()
    },
  }
}

export type Rotation = Awaited<ReturnType<typeof openRotation>>

const secretOf = (subject: string) => createHash('sha1').update(subject).digest()

/** The code of a seeded subject. */
export function seededCode(subject: string, offset = 0): string {
  return codeAt(secretOf(subject), standard, Math.floor(Date.now() / 30_000) + offset)
}

/** Puts enrolled subjects into the store as a service would, without its cost. */
export async function seed({ commandEnv, text }: Rotation, subjects: readonly string[]): Promise<void> {
  const { settings } = await readSettings(commandEnv)
  const store = await openConfiguredStore(settings, { now: Date.now, randomBytes, logger: silent })
  const keyring = createKeyring({ ...parseKeyringJson(text()), randomBytes })
  const now = Date.now()
  const enrol = async (subject: string) => {
    const id = newEnrollmentId(subject, randomBytes)
    const shape = { ...standard, label: subject, createdAt: now }
    await store.createEnrollment({ ...shape, id, subject, box: 'unused', expiresAt: now + 600_000 }, now)
    const box = keyring.seal(credentialContext(subject, `c_${id}`), secretOf(subject))
    const backupSet = keyring.seal(backupContext(subject), Buffer.from('[]'))
    const credential = { ...shape, id: `c_${id}`, box }
    await store.settleEnrollment(id, { kind: 'right', credential, firstStep: 1, backupSet }, now)
  }
  for (let at = 0; at < subjects.length; at += 500) await Promise.all(subjects.slice(at, at + 500).map(enrol))
  await store.close()
}
