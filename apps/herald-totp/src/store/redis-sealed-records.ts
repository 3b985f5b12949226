import { countKeys, scanPage, type RedisHandle } from '@herald/storage'
import { parseCredential, parseEnrollment } from './record.ts'
import type { SealedRecord, SealedRecords } from './sealed-records.ts'
import { subjectTag } from './subject-tag.ts'

/**
 * KEYS hash; ARGV field, member ('' for a box that is the whole value), box found, box to put in its place. Answers the box
 * that then stands there. Only the text of the box is exchanged, so that nothing else of the record is written anew.
 */
const exchangeLua = `
local key, field, member, found, box = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local function boxIn(value)
  if not value or member == '' then return value end
  return cjson.decode(value)[member]
end

local value = redis.call('HGET', key, field)
if value and boxIn(value) == found then
  if member ~= '' then
    -- Quotes inside a label are escaped, so that this cannot be part of another member.
    local before = '"' .. member .. '":"'
    local from, to = string.find(value, before .. found .. '"', 1, true)
    box = string.sub(value, 1, from - 1) .. before .. box .. string.sub(value, to)
  end
  redis.call('HSET', key, field, box)
end
return boxIn(redis.call('HGET', key, field))
`

const credentialField = 'credential:'

type Fields = Readonly<Record<string, string>>

/** Pages are SCANs over every master; a hash is read whole, since all boxes of a subject lie in two of them. */
export function createRedisSealedRecords(handle: RedisHandle): SealedRecords {
  const prefix = `${handle.keyPrefix}totp:{`
  const exchange = handle.script(exchangeLua)
  return {
    async page(cursor, count) {
      const found = await handle.runMarked((client) => scanPage(client, `${prefix}*`, { cursor, count }))
      const hashes = found.keys.filter((key) => readers[nameOf(key)])
      const fields = await handle.runMarked((client) =>
        Promise.all(hashes.map((key) => client.send(key, (connection) => connection.hgetall(key)))),
      )
      const records = hashes.flatMap((key, index) => readers[nameOf(key)]?.(fields[index] ?? {}) ?? [])
      return { records, visited: found.keys.length, cursor: found.cursor }
    },
    size: () => handle.runMarked(countKeys),
    exchange: (exchanges) =>
      Promise.all(
        exchanges.map(async ({ record, box }) => {
          const { key, field, member } = placeOf(prefix, record)
          const answer = await exchange([key], [field, member, record.box, box])
          return typeof answer === 'string' ? answer : undefined
        }),
      ),
  }
}

function placeOf(prefix: string, { kind, subject, id }: SealedRecord) {
  const key = (name: string) => `${prefix}${subjectTag(subject)}}:${name}`
  if (kind === 'enrollment') return { key: key('enrollments'), field: id, member: 'box' }
  if (kind === 'credential') return { key: key('subject'), field: credentialField + id, member: 'box' }
  return { key: key('subject'), field: 'backupSet', member: '' }
}

/** The hashes of a subject that hold boxes. */
const readers: Readonly<Record<string, (fields: Fields) => SealedRecord[]>> = {
  subject: boxesOfSubject,
  enrollments: boxesOfEnrollments,
}

function nameOf(key: string): string {
  return key.slice(key.indexOf('}:') + 2)
}

function boxesOfSubject(fields: Fields): SealedRecord[] {
  const { subject, backupSet } = fields
  if (subject === undefined) return []
  const credentials = Object.entries(fields)
    .filter(([field]) => field.startsWith(credentialField))
    .map(([field, text]): SealedRecord => {
      const { box } = parseCredential(text)
      return { kind: 'credential', subject, id: field.slice(credentialField.length), box }
    })
  if (backupSet === undefined) return credentials
  return [...credentials, { kind: 'backup', subject, id: 'backup', box: backupSet }]
}

/** Beside the enrolments stand counts of wrong codes. */
function boxesOfEnrollments(fields: Fields): SealedRecord[] {
  return Object.entries(fields)
    .filter(([field]) => !field.startsWith('wrong:'))
    .map(([id, text]) => {
      const { subject, box } = parseEnrollment(text)
      return { kind: 'enrollment', subject, id, box }
    })
}
