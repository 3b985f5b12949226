import { ApiKeysRefused, createApiKey, listApiKeys, revokeApiKey } from '@herald/config'
import { type Scope, scopes } from '@herald/auth'
import { InvalidArgumentError, type Command } from 'commander'

const dayMs = 86_400_000

type Output = { json?: boolean }
type World = Parameters<typeof createApiKey>[0] & { print: (line: string) => void }
type Exit = (code: number) => void
type Wanted = Output & {
  scopes: Scope[]
  service?: string
  test?: boolean
  expires?: string
  cidr: string[]
  pepper?: string
  out?: string
}
type Done = { entry: { id: string }; key?: string; file?: string }

/** `api-keys …`: the list in API_KEYS_FILE, or in API_KEYS, where it can only be shown what to write; keys get scopes of `realm`. */
export function addApiKeysCommand(
  program: Command,
  world: World,
  { exitWith, realm }: { exitWith: Exit; realm: 'totp' | 'smtp' },
): void {
  const ownScopes = scopes.filter((scope) => scope.startsWith(`${realm}:`))
  const keys = program.command('api-keys').description('the issued API keys in API_KEYS_FILE or API_KEYS')
  keys
    .command('create')
    .description('make a key; it is shown this once, and only its digest is kept')
    .requiredOption('--scopes <list>', `of ${ownScopes.join(', ')}; comma-separated`, parseScopes(ownScopes))
    .option('--service <name>', 'the caller that it belongs to')
    .option('--test', 'a key for tests, which the gate warns about in production')
    .option('--expires <when>', 'days such as 90d, or a time such as 2027-01-31T00:00:00Z')
    .option('--cidr <network>', 'where it may come from; once for each network', collect, [])
    .option('--pepper <id>', 'of API_KEY_PEPPERS; otherwise the last one')
    .option('--out <file>', 'write the key to this new file, readable by its owner alone, and do not show it')
    .option('--json', 'answer in JSON')
    .action((wanted: Wanted) => attempt(world, exitWith, wanted, () => create(world, wanted)))
  keys
    .command('list')
    .description('id, state, caller and rights of each key')
    .option('--json', 'answer in JSON')
    .action((output: Output) => attempt(world, exitWith, output, () => list(world, output)))
  keys
    .command('revoke')
    .description('refuse a key from the next start of each replica on')
    .argument('<id>', 'the ten symbols after hk_live_ or hk_test_')
    .option('--json', 'answer in JSON')
    .action((id: string, output: Output) =>
      attempt(world, exitWith, output, () => tell(world, output, revokeApiKey(world, id))),
    )
}

async function create(world: World, wanted: Wanted): Promise<void> {
  const { json: _json, test, expires, ...rest } = wanted
  const expiresAt = expires === undefined ? undefined : timeOf(expires, world.now())
  const made = await createApiKey(world, {
    ...rest,
    environment: test ? 'test' : 'live',
    ...(expiresAt !== undefined && { expiresAt }),
  })
  tell(world, wanted, made)
}

function tell(world: World, { json }: Output, { entry, key, file }: Done): void {
  if (json) return world.print(JSON.stringify({ ok: true, id: entry.id, entry, key, file }))
  if (key !== undefined) world.print(`key, shown this once: ${key}`)
  world.print(
    file === undefined
      ? `put this entry into API_KEYS: ${JSON.stringify(entry)}`
      : `entry ${entry.id} stands in ${file}`,
  )
}

function list(world: World, { json }: Output): void {
  const keys = listApiKeys(world).map(({ entry: { hash: _hash, ...entry }, state }) => ({ ...entry, state }))
  if (json) return world.print(JSON.stringify({ keys }))
  for (const { id, state, environment = 'live', service = '-', scopes, expiresAt = 'never' } of keys) {
    world.print(
      [id, state.padEnd(7), environment, service, scopes.join(','), `expires ${expiresAt}`].join('  '),
    )
  }
}

async function attempt(
  world: World,
  exitWith: Exit,
  { json }: Output,
  work: () => void | Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof ApiKeysRefused)) throw error
    exitWith(1)
    world.print(json ? JSON.stringify({ ok: false, problems: [error.message] }) : error.message)
  }
}

function parseScopes(known: readonly Scope[]): (text: string) => Scope[] {
  return (text) => {
    const wanted = text.split(',').map((word) => known.find((scope) => scope === word.trim()))
    if (wanted.some((scope) => scope === undefined)) {
      throw new InvalidArgumentError(`must be some of ${known.join(', ')}`)
    }
    return [...new Set(wanted)] as Scope[]
  }
}

function timeOf(text: string, now: number): number {
  const days = /^([1-9]\d{0,3})d$/.exec(text)?.[1]
  const time = days === undefined ? Date.parse(text) : now + Number(days) * dayMs
  const isWhole = days !== undefined || /T.*(?:Z|[+-]\d\d:\d\d)$/.test(text)
  if (isWhole && time > now) return time
  throw new ApiKeysRefused(
    '--expires must be days such as 90d, or a time to come such as 2027-01-31T00:00:00Z',
  )
}

function collect(text: string, texts: string[]): string[] {
  return [...texts, text]
}
