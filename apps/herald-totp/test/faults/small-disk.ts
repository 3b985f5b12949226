import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFolder } from '../service-harness.ts'

const bytes = 16 * 1024 * 1024

/** A folder with a disk of its own that can be filled up; undefined where nobody may mount one. */
export function mountSmallDisk(): ReturnType<typeof temporaryFolder> | undefined {
  const folder = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder.path], { stdio: 'pipe' })
  } catch {
    folder.remove()
    return undefined
  }
  return {
    path: folder.path,
    remove() {
      execFileSync('umount', [folder.path])
      folder.remove()
    },
  }
}

/** Leaves no byte free beside a file; what it returns frees them again. */
export function crowdOut(path: string): () => void {
  const filler = join(dirname(path), 'filler')
  try {
    writeFileSync(filler, Buffer.alloc(bytes))
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOSPC') throw error
  }
  return () => rmSync(filler)
}
