import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askRedis } from './ask-redis.ts'
import { locateRedisBinary } from './redis-binary.ts'
import { startRedisCluster } from './redis-cluster.ts'
import { startRedisSentinel } from './redis-sentinel.ts'
import { redisSpeaksTls, startRedis, type RedisServer } from './redis-server.ts'
import type { ServiceName } from './start-service.ts'
import { createTestCertificates } from './test-certificates.ts'

/** Redis as people run it. */
export type RedisTopology = {
  /** What a service needs to find it. */
  env: Record<string, string>
  servers: readonly Pick<RedisServer, 'url'>[]
  stop: () => Promise<void>
}

type NamedTopology = { name: string; skip: boolean; start: (user: ServiceName) => Promise<RedisTopology> }

export const redisTopologies: readonly NamedTopology[] = [
  { name: 'one server that speaks TLS, as an ACL user', skip: !redisSpeaksTls(), start: startGuardedRedis },
  {
    name: 'a master behind Sentinels',
    skip: locateRedisBinary() === undefined,
    start: () => startRedisSentinel(),
  },
  {
    name: 'a Cluster',
    skip: locateRedisBinary() === undefined,
    start: () => startRedisCluster(),
  },
]

const password = 'password-of-the-tests-91f3b7c2'

/** A server that speaks TLS alone and knows nobody but an administrator and the user that operators are told to make. */
async function startGuardedRedis(user: ServiceName): Promise<RedisTopology> {
  const { ca, valid } = await createTestCertificates()
  const folder = mkdtempSync(join(tmpdir(), 'herald-ca-'))
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, ca)
  const server = await startRedis({ tls: { ...valid, ca } })
  await askRedis(server, async (admin) => {
    await admin.acl('SETUSER', user, ...rulesOf(user), `>${password}`)
    await admin.acl('SETUSER', 'admin', 'on', '>admin', '~*', '&*', '+@all')
    await admin.acl('SETUSER', 'default', 'off')
  })
  return {
    env: {
      REDIS_ADDR: `localhost:${server.port}`,
      REDIS_USERNAME: user,
      REDIS_PASSWORD: password,
      REDIS_TLS_ENABLED: 'true',
      REDIS_TLS_CA_FILE: caFile,
    },
    servers: [{ url: `rediss://admin:admin@127.0.0.1:${server.port}` }],
    async stop() {
      await server.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

/** The rules that operators are given. */
function rulesOf(user: string): string[] {
  const users = readFileSync(join(import.meta.dirname, '../../../infra/redis/users.acl'), 'utf8')
  const [, rules] = new RegExp(`^user ${user} (.*)$`, 'm').exec(users) ?? []
  if (rules === undefined) throw new Error(`there are no rules for ${user}`)
  return rules.split(' ')
}

/** The commands that a server has refused its users, but for what a service can do without. */
export async function refusedCommands(server: Pick<RedisServer, 'url'>): Promise<string[]> {
  const entries = (await askRedis(server, (admin) => admin.acl('LOG'))) as string[][]
  const commands = entries.map((entry) => String(entry[entry.indexOf('object') + 1]))
  return commands.filter((command) => command !== 'config|get')
}
