import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const performanceDocument = join(import.meta.dirname, '../docs/performance.md')

/** Puts figures between `<!-- figures: name -->` and `<!-- end -->` of a document; throws when it has no such place. */
export function writeFigures(path: string, name: string, text: string): void {
  const found = readFileSync(path, 'utf8')
  const place = new RegExp(`(<!-- figures: ${name} -->\n)[^]*?(<!-- end -->)`)
  if (!place.test(found)) throw new Error(`${path} has no place for the figures of ${name}`)
  writeFileSync(
    path,
    found.replace(place, (_, start: string, end: string) => `${start}\n${text}\n\n${end}`),
  )
}
