import {
  createFaultProxy,
  redisSettings,
  startRedis,
  type FaultProxy,
  type RedisServer,
} from '@herald/testing'
import { Redis } from 'ioredis'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import type { StorePolicy } from '../../src/store/store.ts'
import { createClock } from '../domain-harness.ts'
import { temporaryFolder, type Engine } from '../service-harness.ts'
import { startStoreProcess, type StoreProcess } from './store-process.ts'

/** Something that breaks under way; resolves once it is repaired, whatever its clients have noticed of it by then. */
export type Fault = { name: string; strike: () => Promise<void> }

/** One store and the processes that use it. */
export type World = {
  clock: ReturnType<typeof createClock>
  processes: readonly StoreProcess[]
  /** `victim` is the place of the process that is hit, where only one is. */
  faults: (victim: number) => readonly Fault[]
  /** Afterwards nothing is under way any more: what was asked before and took no effect never will. */
  sever: () => Promise<void>
  close: () => Promise<void>
}

const processCount = 2
/** Longer than a client waits for an answer. */
const longMs = 1200

export function openWorld(engine: Engine, policy: StorePolicy): Promise<World> {
  const clock = createClock(Date.UTC(2026, 10, 21))
  return engine === 'redis' ? openRedisWorld({ clock, policy }) : openSqliteWorld({ clock, policy })
}

type Deps = { clock: World['clock']; policy: StorePolicy }

async function openRedisWorld({ clock, policy }: Deps): Promise<World> {
  const server = await startRedis({ appendOnly: true })
  const proxies = await Promise.all(Array.from({ length: processCount }, () => createFaultProxy(server)))
  const processes = await Promise.all(
    proxies.map(({ port }) =>
      startStoreProcess(redisSettings(`redis://127.0.0.1:${port}`), { policy, now: clock.now }),
    ),
  )
  return {
    clock,
    processes,
    faults: (victim) => [
      ...processFaults(processes[victim]!),
      ...connectionFaults(proxies[victim]!),
      ...serverFaults(server),
    ],
    async sever() {
      const admin = new Redis(server.port)
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
      admin.disconnect()
    },
    async close() {
      await Promise.all(processes.map((process) => process.stop()))
      await Promise.all(proxies.map((proxy) => proxy.close()))
      await server.stop()
    },
  }
}

async function openSqliteWorld({ clock, policy }: Deps): Promise<World> {
  const folder = temporaryFolder()
  const path = join(folder.path, 'totp.sqlite')
  const processes: StoreProcess[] = []
  for (let count = 0; count < processCount; count++)
    processes.push(await startStoreProcess({ engine: 'sqlite', path }, { policy, now: clock.now }))
  return {
    clock,
    processes,
    faults: (victim) => [
      ...processFaults(processes[victim]!),
      { name: 'all processes are killed', strike: () => replaceAll(processes) },
      { name: 'the file is held', strike: () => holdFile(path) },
      { name: 'the disk is full', strike: () => fillDisk(processes[victim]!) },
    ],
    // Work on the file ends with its answer or with its process.
    sever: async () => {},
    async close() {
      await Promise.all(processes.map((process) => process.stop()))
      folder.remove()
    },
  }
}

function processFaults(process: StoreProcess): Fault[] {
  return [
    { name: 'a process is killed', strike: () => process.replace() },
    { name: 'a process stands still', strike: () => during(100, process.pause, process.resume) },
  ]
}

function connectionFaults(proxy: FaultProxy): Fault[] {
  return [
    { name: 'a reply is lost', strike: async () => proxy.swallowReplies(1) },
    { name: 'the connections are cut', strike: async () => proxy.cut() },
    { name: 'the network stands still', strike: () => during(100, proxy.pause, proxy.resume) },
  ]
}

function serverFaults(server: RedisServer): Fault[] {
  return [
    { name: 'Redis stands still for a blink', strike: () => during(100, server.pause, server.resume) },
    { name: 'Redis stands still for too long', strike: () => during(longMs, server.pause, server.resume) },
    { name: 'Redis is killed', strike: () => server.restart() },
  ]
}

async function during(milliseconds: number, begin: () => void, end: () => void): Promise<void> {
  begin()
  await delay(milliseconds)
  end()
}

async function replaceAll(processes: readonly StoreProcess[]): Promise<void> {
  await Promise.all(processes.map((process) => process.replace()))
}

async function holdFile(path: string): Promise<void> {
  const other = new DatabaseSync(path, { timeout: 1000 })
  other.exec('BEGIN IMMEDIATE')
  await delay(100)
  other.close()
}

async function fillDisk(process: StoreProcess): Promise<void> {
  // No fewer pages than there are.
  await process.call('execute', 'PRAGMA max_page_count = 1')
  await delay(100)
  await process.call('execute', 'PRAGMA max_page_count = 1000000')
}
