/**
 * KEYS: record. ARGV: now, fingerprint, owner, message id, lease until, expires at, once ('1' or '0'), milliseconds to keep.
 * Returns {outcome, message id or answer}.
 */
export const claimScript = `
local now, once = tonumber(ARGV[1]), ARGV[7] == '1'
local record = redis.call('HMGET', KEYS[1], 'expires', 'state', 'fingerprint', 'lease', 'message', 'answer')
local state = record[1] and tonumber(record[1]) > now and record[2]
local message = ARGV[4]
if state and (once or state ~= 'not_sent') then
  local known, given = record[3], ARGV[2]
  if known ~= given and string.match(known, '^[^.]*') == string.match(given, '^[^.]*') then return {'conflict'} end
  if state == 'sending' and tonumber(record[4]) > now then return {'sending'} end
  if state == 'sent' or (once and state ~= 'sending') then return {'settled', record[6]} end
  if once then return {'unknown'} end
  message = record[5]
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'state', 'sending', 'fingerprint', ARGV[2], 'owner', ARGV[3], 'message', message,
  'lease', ARGV[5], 'expires', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return {'claimed', message}
`

/** KEYS: record. ARGV: owner, state, answer, expires at, milliseconds to keep. Returns 1 when the owner's claim was settled. */
export const settleScript = `
local record = redis.call('HMGET', KEYS[1], 'owner', 'state')
if record[1] ~= ARGV[1] or record[2] ~= 'sending' then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'answer', ARGV[3], 'expires', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
`

/** KEYS: note. ARGV: now, message id, outcome, settled at, expires at, entry, milliseconds to keep. Returns 1 when it was kept. */
export const noteScript = `
local kept = redis.call('HMGET', KEYS[1], 'expires', 'settled', 'message', 'outcome')
if kept[1] and tonumber(kept[1]) > tonumber(ARGV[1]) then
  if tonumber(kept[2]) > tonumber(ARGV[4]) then return 0 end
  if kept[3] == ARGV[2] and kept[4] == 'accepted' and ARGV[3] ~= 'accepted' then return 0 end
end
redis.call('HSET', KEYS[1], 'message', ARGV[2], 'outcome', ARGV[3], 'settled', ARGV[4], 'expires', ARGV[5], 'entry', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
`

/** KEYS: record or note. ARGV: the fields wanted. Returns their values. */
export const lookScript = `return redis.call('HMGET', KEYS[1], unpack(ARGV))`
