import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The first file under one of the names that this user may run, each name looked for in every folder; PATH unless told. */
export function findExecutable(
  names: readonly string[],
  folders: readonly string[] = (process.env['PATH'] ?? '').split(delimiter),
): string | undefined {
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
