import type { SqliteHandle } from '@herald/storage'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { parseCredentials, parseEnrollment } from './record.ts'
import type { Exchange, SealedPage, SealedRecord, SealedRecords } from './sealed-records.ts'
import { subjectTag } from './subject-tag.ts'

/** In the order in which they are visited. */
const tables = ['subjects', 'enrollments'] as const

type Table = (typeof tables)[number]
type Row = Record<string, SQLOutputValue>
type Statements = ReturnType<typeof prepareStatements>

/** Pages go through the tables by their keys, so that a cursor is the last key seen; an exchange is one short transaction. */
export function createSqliteSealedRecords(handle: SqliteHandle): SealedRecords {
  const sql = prepareStatements(handle.database)
  return {
    page: (cursor, count) => handle.read(() => readPage(sql, cursor, count)),
    size: () => handle.read(() => Number(sql.size.get()?.['size'])),
    exchange: (exchanges) => handle.settle(() => exchanges.map((one) => exchange(sql, one))),
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string) => database.prepare(text)
  return {
    size: prepare(`SELECT (SELECT count(*) FROM subjects) + (SELECT count(*) FROM enrollments) AS size`),
    page: {
      subjects: prepare(
        'SELECT tag AS at, subject, credentials, backup_set FROM subjects WHERE tag > ? ORDER BY tag LIMIT ?',
      ),
      enrollments: prepare(
        'SELECT rowid AS at, id, record FROM enrollments WHERE rowid > ? ORDER BY rowid LIMIT ?',
      ),
    },
    put: {
      backup: prepare('UPDATE subjects SET backup_set = ?4 WHERE tag = ?1 AND ?2 = ?2 AND backup_set = ?3'),
      // Quotes inside a label are escaped, so that the text replaced cannot be part of another member.
      credential: prepare(
        `UPDATE subjects SET credentials = replace(credentials, '"box":"' || ?3 || '"', '"box":"' || ?4 || '"')
           WHERE tag = ?1 AND ?2 = ?2`,
      ),
      enrollment: prepare(
        `UPDATE enrollments SET record = json_set(record, '$.box', ?4)
           WHERE tag = ?1 AND id = ?2 AND record ->> '$.box' = ?3`,
      ),
    },
    find: {
      backup: prepare('SELECT backup_set AS box FROM subjects WHERE tag = ?1 AND ?2 = ?2'),
      credential: prepare(
        `SELECT value ->> '$.box' AS box FROM subjects, json_each(credentials) WHERE tag = ?1 AND value ->> '$.id' = ?2`,
      ),
      enrollment: prepare(`SELECT record ->> '$.box' AS box FROM enrollments WHERE tag = ?1 AND id = ?2`),
    },
  }
}

function readPage(sql: Statements, cursor: string | undefined, count: number): SealedPage {
  const [table, at] = parseCursor(cursor)
  const rows = sql.page[table].all(at, count)
  const last = rows.at(-1)
  const next =
    last && rows.length === count ? `${table} ${String(last['at'])}` : tables[tables.indexOf(table) + 1]
  return { records: rows.flatMap(boxesIn[table]), visited: rows.length, cursor: next }
}

/** A table alone is its beginning. */
function parseCursor(cursor: string | undefined): [table: Table, at: string | number] {
  const [name, at = ''] = cursor?.split(' ') ?? []
  return name === 'enrollments' ? [name, Number(at)] : ['subjects', at]
}

const boxesIn: Readonly<Record<Table, (row: Row) => SealedRecord[]>> = {
  subjects: boxesOfSubject,
  enrollments: boxesOfEnrollment,
}

function boxesOfSubject(row: Row): SealedRecord[] {
  const subject = String(row['subject'])
  const credentials = parseCredentials(String(row['credentials'])).map(({ id, box }): SealedRecord => ({
    kind: 'credential',
    subject,
    id,
    box,
  }))
  const backupSet = row['backup_set']
  if (typeof backupSet !== 'string') return credentials
  return [...credentials, { kind: 'backup', subject, id: 'backup', box: backupSet }]
}

function boxesOfEnrollment(row: Row): SealedRecord[] {
  const { subject, box } = parseEnrollment(String(row['record']))
  return [{ kind: 'enrollment', subject, id: String(row['id']), box }]
}

function exchange(sql: Statements, { record, box }: Exchange): string | undefined {
  const { kind, id } = record
  const tag = subjectTag(record.subject)
  sql.put[kind].run(tag, id, record.box, box)
  const found = sql.find[kind].get(tag, id)?.['box']
  return typeof found === 'string' ? found : undefined
}
