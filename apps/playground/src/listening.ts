import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { PlaygroundError } from './settings.ts'
import { readIfPresent, writePrivateFile } from './state.ts'

/** Where a running playground can be reached, for the commands of another terminal. */
export type Listening = { totpUrl: string; headerFile: string }

const pathIn = (folder: string) => join(folder, 'listening.json')

export function writeListening(folder: string, listening: Listening): void {
  writePrivateFile(pathIn(folder), JSON.stringify(listening))
}

export function removeListening(folder: string): void {
  rmSync(pathIn(folder), { force: true })
}

/** Throws PlaygroundError when no playground runs on this folder. */
export function readListening(folder: string): Listening {
  const text = readIfPresent(pathIn(folder))
  if (text === undefined) throw nothingRuns()
  return JSON.parse(text) as Listening
}

/** For whoever needs a running playground and finds none. */
export function nothingRuns(): PlaygroundError {
  return new PlaygroundError('herald-totp is not running: run `npm start` in another terminal first.')
}
