import type { SqliteHandle } from '@herald/storage'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { parseEnrollment } from './record.ts'
import type { Exchange, SealedPage, SealedRecord, SealedRecords } from './sealed-records.ts'
import { subjectTag } from './subject-tag.ts'

type Kind = SealedRecord['kind']
type Row = Record<string, SQLOutputValue>
type Statements = ReturnType<typeof prepareStatements>

/** In the order in which the tables are visited. */
const kinds: readonly Kind[] = ['backup', 'credential', 'enrollment']

/** Pages go through the tables by their keys, so that a cursor is the last key seen; an exchange is one short transaction. */
export function createSqliteSealedRecords(handle: SqliteHandle): SealedRecords {
  const sql = prepareStatements(handle.database)
  return {
    page: async (cursor, count) =>
      handle.read(() => {
        handle.checkMarker()
        return readPage(sql, cursor, count)
      }),
    size: async () => handle.read(() => Number(sql.size.get()?.['size'])),
    exchange: (exchanges) => handle.settle(() => exchanges.map((one) => exchange(sql, one))),
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string) => database.prepare(text)
  return {
    size: prepare(
      `SELECT (SELECT count(*) FROM subjects) + (SELECT count(*) FROM credentials) + (SELECT count(*) FROM enrollments) AS size`,
    ),
    page: {
      backup: prepare(
        `SELECT tag AS at, '' AS id, subject, backup_set AS box FROM subjects WHERE tag > ?1 AND ?2 = ?2 ORDER BY tag LIMIT ?3`,
      ),
      credential: prepare(
        `SELECT c.tag AS at, c.id, s.subject, c.box FROM credentials c JOIN subjects s ON s.tag = c.tag
           WHERE (c.tag, c.id) > (?1, ?2) ORDER BY c.tag, c.id LIMIT ?3`,
      ),
      enrollment: prepare(
        `SELECT rowid AS at, id, record FROM enrollments WHERE rowid > ?1 AND ?2 = ?2 ORDER BY rowid LIMIT ?3`,
      ),
    },
    put: {
      backup: prepare('UPDATE subjects SET backup_set = ?4 WHERE tag = ?1 AND ?2 = ?2 AND backup_set = ?3'),
      credential: prepare('UPDATE credentials SET box = ?4 WHERE tag = ?1 AND id = ?2 AND box = ?3'),
      enrollment: prepare(
        `UPDATE enrollments SET record = json_set(record, '$.box', ?4)
           WHERE tag = ?1 AND id = ?2 AND record ->> '$.box' = ?3`,
      ),
    },
    find: {
      backup: prepare('SELECT backup_set AS box FROM subjects WHERE tag = ?1 AND ?2 = ?2'),
      credential: prepare('SELECT box FROM credentials WHERE tag = ?1 AND id = ?2'),
      enrollment: prepare(`SELECT record ->> '$.box' AS box FROM enrollments WHERE tag = ?1 AND id = ?2`),
    },
  }
}

function readPage(sql: Statements, cursor: string | undefined, count: number): SealedPage {
  const [kind, at, id] = parseCursor(cursor)
  const rows = sql.page[kind].all(at, id, count)
  const last = rows.at(-1)
  const next = last && rows.length === count ? formatCursor(kind, last) : kinds[kinds.indexOf(kind) + 1]
  return {
    records: rows.map((row) => toRecord(kind, row)).filter(({ box }) => box !== ''),
    visited: rows.length,
    cursor: next,
  }
}

/** A kind alone is the beginning of its table. */
function parseCursor(cursor: string | undefined): [kind: Kind, at: string | number, id: string] {
  const [name, at = '', id = ''] = cursor?.split(' ') ?? []
  const kind = kinds.find((candidate) => candidate === name) ?? 'backup'
  return kind === 'enrollment' ? [kind, Number(at), id] : [kind, at, id]
}

function formatCursor(kind: Kind, { at, id }: Row): string {
  return [kind, String(at), String(id)].join(' ')
}

function toRecord(kind: Kind, row: Row): SealedRecord {
  if (kind === 'enrollment') {
    const { subject, box } = parseEnrollment(String(row['record']))
    return { kind, subject, id: String(row['id']), box }
  }
  const id = kind === 'backup' ? 'backup' : String(row['id'])
  return { kind, subject: String(row['subject']), id, box: String(row['box'] ?? '') }
}

function exchange(sql: Statements, { record, box }: Exchange): string | undefined {
  const { kind, id } = record
  const tag = subjectTag(record.subject)
  sql.put[kind].run(tag, id, record.box, box)
  const found = sql.find[kind].get(tag, id)?.['box']
  return typeof found === 'string' ? found : undefined
}
