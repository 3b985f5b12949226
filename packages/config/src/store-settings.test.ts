import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ConfigError } from './config-error.ts'
import { parseAddress } from './redis-address.ts'
import { readVariables } from './read-variables.ts'
import { storeRequired, storeRules } from './store-rules.ts'
import { storeSettings, storeVariables } from './store-settings.ts'

const schema = z.object(storeVariables)
const read = (env: Record<string, string>) => readVariables(schema, { env }, [storeRequired, ...storeRules])

async function settings(env: Record<string, string>) {
  return storeSettings((await read(env)).values, 'herald-test')
}

async function namesRefused(env: Record<string, string>): Promise<string[]> {
  try {
    await settings(env)
    return []
  } catch (error) {
    return (error as ConfigError).problems.map((problem) => problem.variable)
  }
}

describe('storeSettings', () => {
  const alone = { engine: 'redis', topology: 'standalone', ackReplicas: 0 }
  const [a, b] = [
    { host: 'a', port: 26_379 },
    { host: '10.0.0.2', port: 7000 },
  ]
  const watched = { engine: 'redis', topology: 'sentinel', sentinels: [a, b], master: 'herald' }
  const nodes = [{ host: 'a', port: 6379 }, b]

  it.each([
    [{ SQLITE_PATH: '/data/x.sqlite' }, { engine: 'sqlite', path: '/data/x.sqlite' }],
    [{ STORE: 'sqlite' }, { engine: 'sqlite', path: 'herald-test.sqlite' }],
    [{ STORE: 'redis' }, { ...alone, host: 'localhost', port: 6379, db: 0 }],
    [
      { REDIS_ADDR: 'cache:6380', REDIS_DB: '3' },
      { ...alone, host: 'cache', port: 6380, db: 3 },
    ],
    [{ REDIS_ADDR: '[::1]:6380' }, { ...alone, host: '::1', port: 6380, db: 0 }],
    [{ REDIS_ADDR: ':6380' }, { ...alone, host: 'localhost', port: 6380, db: 0 }],
    [{ REDIS_URL: 'redis://cache' }, { ...alone, host: 'cache', port: 6379, db: 0 }],
    [{ REDIS_URL: 'redis://cache:1/2' }, { ...alone, host: 'cache', port: 1, db: 2 }],
    [
      { REDIS_URL: 'rediss://cache', REDIS_TLS_SERVER_NAME: 'redis.internal' },
      {
        ...alone,
        host: 'cache',
        port: 6379,
        db: 0,
        tls: { rejectUnauthorized: true, serverName: 'redis.internal' },
      },
    ],
    [
      { REDIS_ADDR: 'cache:6379', REDIS_TLS_ENABLED: 'true', REDIS_TLS_INSECURE_SKIP_VERIFY: '1' },
      { ...alone, host: 'cache', port: 6379, db: 0, tls: { rejectUnauthorized: false } },
    ],
    [
      { REDIS_ADDR: 'cache', REDIS_ACK_REPLICAS: '2' },
      { ...alone, host: 'cache', port: 6379, db: 0, ackReplicas: 2 },
    ],
    [
      { REDIS_SENTINELS: 'a,10.0.0.2:7000', REDIS_SENTINEL_MASTER: 'herald', REDIS_DB: '3' },
      { ...watched, db: 3, ackReplicas: 1 },
    ],
    [
      {
        REDIS_SENTINELS: 'a, 10.0.0.2:7000',
        REDIS_SENTINEL_MASTER: 'herald',
        REDIS_SENTINEL_USERNAME: 'asker',
        REDIS_ACK_REPLICAS: '0',
        REDIS_TLS_ENABLED: 'true',
      },
      { ...watched, sentinelUsername: 'asker', db: 0, ackReplicas: 0, tls: { rejectUnauthorized: true } },
    ],
    [
      { REDIS_CLUSTER_NODES: 'a,10.0.0.2:7000', REDIS_DB: '0' },
      { engine: 'redis', topology: 'cluster', nodes, ackReplicas: 1 },
    ],
  ])('settles %j', async (env, expected) => {
    expect(await settings(env as Record<string, string>)).toEqual(expected)
  })

  it('takes user and password from the URL, decoded, or from their variables', async () => {
    for (const env of [
      { REDIS_URL: 'redis://app:p%40ss@cache' },
      { REDIS_URL: 'redis://cache', REDIS_USERNAME: 'app', REDIS_PASSWORD: 'p@ss' },
      { REDIS_ADDR: 'cache', REDIS_USERNAME: 'app', REDIS_PASSWORD: 'p@ss' },
    ]) {
      const store = await settings(env)
      expect(store).toMatchObject({ host: 'cache', username: 'app' })
      expect(store.engine === 'redis' && store.password?.reveal()).toBe('p@ss')
      expect(JSON.stringify(store)).not.toContain('p@ss')
    }
  })

  it.each([
    [{}, 'STORE'],
    [{ REDIS_PASSWORD: 'x', REDIS_DB: '1' }, 'STORE'],
    [{ SQLITE_PATH: 'x', REDIS_ADDR: '127.0.0.1:1' }, 'SQLITE_PATH'],
    [{ STORE: 'sqlite', REDIS_ADDR: '127.0.0.1:1' }, 'REDIS_ADDR'],
    [{ STORE: 'redis', SQLITE_PATH: 'x' }, 'SQLITE_PATH'],
    [{ REDIS_ADDR: '127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1' }, 'REDIS_URL'],
    [{ REDIS_URL: 'redis://u@127.0.0.1', REDIS_USERNAME: 'u' }, 'REDIS_USERNAME'],
    [{ REDIS_URL: 'redis://:kT3zQ8wV@127.0.0.1', REDIS_PASSWORD: 'kT3zQ8wV' }, 'REDIS_PASSWORD'],
    [{ REDIS_URL: 'redis://127.0.0.1/0', REDIS_DB: '0' }, 'REDIS_DB'],
    [{ REDIS_URL: 'redis://127.0.0.1', REDIS_TLS_ENABLED: 'true' }, 'REDIS_TLS_ENABLED'],
    [{ REDIS_URL: 'rediss://127.0.0.1', REDIS_TLS_ENABLED: 'false' }, 'REDIS_TLS_ENABLED'],
    [{ REDIS_ADDR: '127.0.0.1:1', REDIS_TLS_SERVER_NAME: 'y' }, 'REDIS_TLS_SERVER_NAME'],
    [{ REDIS_ADDR: 'y:0' }, 'REDIS_ADDR'],
    [{ REDIS_ADDR: ':' }, 'REDIS_ADDR'],
    [{ REDIS_ADDR: 'a:1,b:2' }, 'REDIS_ADDR'],
    [{ REDIS_URL: 'http://y' }, 'REDIS_URL'],
    [{ REDIS_URL: 'redis://y/x' }, 'REDIS_URL'],
    [{ REDIS_URL: 'redis://y?tls=1' }, 'REDIS_URL'],
    [{ REDIS_URL: 'redis://:%ff@127.0.0.1' }, 'REDIS_URL'],
    [{ STORE: 'mysql' }, 'STORE'],
    [{ REDIS_SENTINELS: 'localhost' }, 'REDIS_SENTINEL_MASTER'],
    [{ REDIS_SENTINELS: 'a:1,', REDIS_SENTINEL_MASTER: 'herald' }, 'REDIS_SENTINELS'],
    [{ REDIS_ADDR: 'localhost', REDIS_SENTINEL_MASTER: 'herald' }, 'REDIS_SENTINEL_MASTER'],
    [{ REDIS_ADDR: 'localhost', REDIS_SENTINEL_PASSWORD: 'kT3zQ8wV' }, 'REDIS_SENTINEL_PASSWORD'],
    [{ REDIS_CLUSTER_NODES: 'localhost', REDIS_SENTINEL_USERNAME: 'u' }, 'REDIS_SENTINEL_USERNAME'],
    [{ REDIS_CLUSTER_NODES: 'localhost', REDIS_DB: '1' }, 'REDIS_DB'],
    [{ REDIS_CLUSTER_NODES: 'localhost', STORE: 'sqlite' }, 'REDIS_CLUSTER_NODES'],
    [{ REDIS_CLUSTER_NODES: 'localhost', REDIS_ADDR: 'localhost' }, 'REDIS_ADDR'],
    [{ REDIS_CLUSTER_NODES: 'localhost', REDIS_TLS_SERVER_NAME: 'y' }, 'REDIS_TLS_SERVER_NAME'],
    [{ REDIS_ADDR: 'localhost', REDIS_ACK_REPLICAS: '-1' }, 'REDIS_ACK_REPLICAS'],
  ])('refuses %j by naming %s', async (env, name) => {
    expect(await namesRefused(env as Record<string, string>)).toEqual([name])
  })

  it('names each pair of variables of which either could be meant', async () => {
    const env = {
      SQLITE_PATH: 'x',
      REDIS_URL: 'redis://127.0.0.1',
      REDIS_SENTINELS: '127.0.0.1',
      REDIS_SENTINEL_MASTER: 'herald',
      REDIS_CLUSTER_NODES: '127.0.0.1',
    }
    expect(await namesRefused(env)).toEqual([
      ...Array.from({ length: 3 }, () => 'SQLITE_PATH'),
      ...Array.from({ length: 2 }, () => 'REDIS_URL'),
      'REDIS_SENTINELS',
    ])
  })

  it.each([':memory:', 'file::memory:?cache=shared', 'file:x?mode=memory', 'FILE:/data/x.sqlite'])(
    'takes no SQLite store that may end with the process: %s',
    async (path) => {
      expect(await namesRefused({ SQLITE_PATH: path })).toEqual(['SQLITE_PATH'])
      expect(await namesRefused({ STORE: 'sqlite', SQLITE_PATH: path })).toEqual(['SQLITE_PATH'])
    },
  )

  it('opens nothing where no store is named', () => {
    expect(() => storeSettings({ REDIS_TLS_INSECURE_SKIP_VERIFY: false }, 'herald-test')).toThrow(TypeError)
  })
})

describe('storeRules', () => {
  async function codes(env: Record<string, string>): Promise<string[]> {
    const found = (await read(env)).findings.filter(({ code }) => code !== 'ENV_BACKEND')
    return found.map(({ code, variable, reach }) => [variable, code, reach].filter(Boolean).join(' '))
  }

  it.each([
    [{ STORE: 'sqlite' }, []],
    [{ REDIS_ADDR: '127.0.0.1:6379' }, []],
    [{ REDIS_ADDR: '10.0.0.1:6379' }, ['REDIS_ADDR REDIS_PLAINTEXT private']],
    [{ REDIS_ADDR: '8.8.8.8:6379' }, ['REDIS_ADDR REDIS_PLAINTEXT public']],
    [{ REDIS_URL: 'redis://8.8.8.8' }, ['REDIS_URL REDIS_PLAINTEXT public']],
    [{ REDIS_URL: 'rediss://8.8.8.8' }, []],
    [
      { REDIS_URL: 'rediss://8.8.8.8', REDIS_TLS_INSECURE_SKIP_VERIFY: 'true' },
      ['REDIS_TLS_INSECURE_SKIP_VERIFY TLS_VERIFY_OFF'],
    ],
    [{ REDIS_URL: 'redis://:changeme-4f7c2b@127.0.0.1' }, ['REDIS_URL EXAMPLE_VALUE']],
    [{ REDIS_ADDR: '127.0.0.1', REDIS_PASSWORD: 'changeme-4f7c2b' }, ['REDIS_PASSWORD EXAMPLE_VALUE']],
    [{ STORE: 'sqlite', REDIS_PASSWORD: 'unused' }, []],
    [{ REDIS_CLUSTER_NODES: '127.0.0.1,10.0.0.1' }, ['REDIS_CLUSTER_NODES REDIS_PLAINTEXT private']],
    [{ REDIS_CLUSTER_NODES: '127.0.0.1,8.8.8.8,10.0.0.1' }, ['REDIS_CLUSTER_NODES REDIS_PLAINTEXT public']],
    [{ REDIS_CLUSTER_NODES: '8.8.8.8', REDIS_TLS_ENABLED: 'true' }, []],
    [
      { REDIS_SENTINELS: '8.8.8.8,127.0.0.1', REDIS_SENTINEL_MASTER: 'm' },
      ['REDIS_SENTINELS REDIS_PLAINTEXT public'],
    ],
    [
      {
        REDIS_SENTINELS: '127.0.0.1',
        REDIS_SENTINEL_MASTER: 'm',
        REDIS_SENTINEL_PASSWORD: 'changeme-4f7c2b',
      },
      ['REDIS_SENTINEL_PASSWORD EXAMPLE_VALUE'],
    ],
  ])('find in %j: %j', async (env, expected) => {
    expect(await codes(env as Record<string, string>)).toEqual(expected)
  })
})

describe('one wrong variable', () => {
  it('hides neither a contradiction nor a finding that it has no part in', async () => {
    const env = { REDIS_DB: 'x', REDIS_URL: 'redis://u@8.8.8.8', REDIS_USERNAME: 'u' }
    expect(await namesRefused(env)).toEqual(['REDIS_DB', 'REDIS_USERNAME', 'REDIS_URL'])
  })
})

describe('parseAddress', () => {
  it.each(['', ':', 'a:b', 'a:99999', 'a b', '::1', 'redis://a', 'a:1:2'])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })
})
