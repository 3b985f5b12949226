import { createReadStream } from 'node:fs'

/** One line as it lies in a file, one character a byte (latin1), without its line feed; lines count from 1. */
export type TrailLine = { file: string; line: number; text: string }

/** Every line of the files in turn; what stands behind the last line feed is a line too. */
export async function* readLines(files: readonly string[]): AsyncGenerator<TrailLine> {
  for (const file of files) yield* linesOf(file)
}

async function* linesOf(file: string): AsyncGenerator<TrailLine> {
  let line = 0
  let rest = ''
  for await (const chunk of createReadStream(file, { encoding: 'latin1' })) {
    const parts = (rest + (chunk as string)).split('\n')
    rest = parts.pop() ?? ''
    for (const text of parts) yield { file, line: ++line, text }
  }
  if (rest !== '') yield { file, line: ++line, text: rest }
}
