import { KeyFormatError } from '@herald/crypto'
import { InvalidArgumentError, type Command } from 'commander'
import { keyringFile } from '../../config.ts'
import { countByKey, malformed } from '../../domain/census.ts'
import { createSealedRecords } from '../../store/sealed-records.ts'
import type { CommandWorld } from '../../world.ts'
import { withStore } from '../with-store.ts'
import {
  adoptKey,
  generateKey,
  KeyChangeRefused,
  promote,
  remove,
  retire,
  stage,
  type Replicas,
} from './change-keys.ts'
import { describeKeys, overdue, printKeys, printOverdue } from './describe-keys.ts'
import { KeyringFileError, readKeyringFile } from './keyring-file.ts'

type Output = { json?: boolean }
type Exit = (code: number) => void

/** `keys …`: the keyring file that TOTP_KEYRING_FILE names. Keys themselves are read and written there and nowhere shown. */
export function addKeysCommand(program: Command, world: CommandWorld, exitWith: Exit): void {
  const keys = program
    .command('keys')
    .description('the encryption keys in the file that TOTP_KEYRING_FILE names')
  const changing = (work: (path: string) => Promise<string> | string, output: Output) =>
    change(world, exitWith, { work, output })
  keys
    .command('generate')
    .description('add a key, disabled; into a new file as its primary key')
    .option('--id <id>', 'its name; otherwise k and its check value')
    .option('--adopt', 'begin the file with the key of HERALD_TOTP_ENCRYPTION_KEY instead')
    .option('--json', 'answer in JSON')
    .action((options: Output & { id?: string; adopt?: boolean }) =>
      changing(
        (path) => (options.adopt ? adoptKey(path, world) : generateKey(path, world, options)),
        options,
      ),
    )
  keys
    .command('stage')
    .description('let every replica open with a key, before one seals with it')
    .argument('<id>')
    .option('--json', 'answer in JSON')
    .action((id: string, options: Output) => changing((path) => stage(path, id), options))
  replicated(keys.command('promote'))
    .description('make a key the primary one, if every replica has it')
    .action((id: string, options: Output & Replicas) =>
      changing((path) => promote(path, id, noticing(world, options), options), options),
    )
  replicated(keys.command('retire'))
    .description('disable a key that no record needs and no replica seals with')
    .option('--remove', 'take a retired key out of the file for good')
    .action((id: string, options: Output & Replicas & { remove?: boolean }) =>
      changing(
        (path) =>
          options.remove ? remove(path, id, world) : retire(path, id, noticing(world, options), options),
        options,
      ),
    )
  addViews(keys, world, exitWith)
}

function addViews(keys: Command, world: CommandWorld, exitWith: Exit): void {
  keys
    .command('list')
    .description('id, state, check value and age of each key')
    .option('--json', 'answer in JSON')
    .action((options: Output) => view(world, exitWith, options))
  keys
    .command('status')
    .description('as list, with the records that need each key; 1 when a key in use is overdue')
    .option('--max-age <days>', 'such as 90d', parseDays, 90)
    .option('--json', 'answer in JSON')
    .action((options: Output & { maxAge: number }) => view(world, exitWith, options))
}

function replicated(command: Command): Command {
  const collect = (url: string, urls: string[]) => [...urls, url]
  return command
    .argument('<id>')
    .option('--replica <url>', 'a /readyz that has to agree; once for each replica', collect, [])
    .option('--offline', 'no replica runs')
    .option('--json', 'answer in JSON')
}

async function change(
  world: CommandWorld,
  exitWith: Exit,
  { work, output }: { work: (path: string) => Promise<string> | string; output: Output },
): Promise<void> {
  try {
    const path = requiredPath(world)
    const id = await work(path)
    const keys = describeKeys(readKeyringFile(path), { now: world.now() })
    const entry = keys.find((key) => key.id === id)
    if (output.json) world.print(JSON.stringify({ ok: true, key: entry ?? { id, state: 'removed' } }))
    else
      world.print(entry ? `key ${id} (check value ${entry.kcv}) is ${entry.state}` : `key ${id} is removed`)
  } catch (error) {
    exitWith(1)
    const lines = refusalLines(error)
    if (output.json) world.print(JSON.stringify({ ok: false, problems: lines }))
    else for (const line of lines) world.print(line)
  }
}

async function view(
  world: CommandWorld,
  exitWith: Exit,
  options: Output & { maxAge?: number },
): Promise<void> {
  const settings = readKeyringFile(requiredPath(world))
  const { maxAge = Number.POSITIVE_INFINITY } = options
  const records =
    options.maxAge === undefined
      ? undefined
      : await withStore(noticing(world, options), (store) => countByKey(createSealedRecords(store.handle)))
  const keys = describeKeys(settings, { now: world.now(), ...(records && { records }) })
  const late = overdue(keys, maxAge)
  const strangers = [...(records ?? [])].filter(
    ([id]) => id === malformed || !keys.some((key) => key.id === id),
  )
  if (options.json)
    world.print(
      JSON.stringify({ keys, overdue: late.map(({ id }) => id), unknown: Object.fromEntries(strangers) }),
    )
  else {
    for (const line of printKeys(keys)) world.print(line)
    for (const key of late) world.print(printOverdue(key, maxAge))
    for (const [id, count] of strangers) world.print(`${count} records need ${id}, which is no key here`)
  }
  if (late.length > 0 || strangers.length > 0) exitWith(1)
}

/** Whatever else there is to say is JSON too when the answer is. */
function noticing(world: CommandWorld, { json }: Output): CommandWorld {
  if (!json) return world
  return { ...world, print: (notice) => world.print(JSON.stringify({ notice })) }
}

function requiredPath({ env }: CommandWorld): string {
  const path = keyringFile(env)
  if (path === undefined) throw new KeyringFileError('TOTP_KEYRING_FILE must name the keyring file')
  return path
}

/** Rethrows what is no refusal. */
function refusalLines(error: unknown): readonly string[] {
  if (error instanceof KeyChangeRefused) return error.lines
  if (error instanceof KeyFormatError || error instanceof KeyringFileError) return [error.message]
  throw error
}

function parseDays(text: string): number {
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  if (days === undefined) throw new InvalidArgumentError('must be days, such as 90d')
  return Number(days)
}
