// Writes the tables of the documents anew from the code: node test/write-documentation.ts
import { writeFileSync } from 'node:fs'
import { documents, readDocument } from './documentation-tables.ts'

for (const file of documents) {
  const { path, found, expected } = readDocument(file)
  if (found !== expected) writeFileSync(path, expected)
}
