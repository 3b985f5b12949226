import { takeTokenLua } from '@herald/storage'
import { firstWaitMs, freeFailures, hourMs, longestWaitMs } from './budget.ts'
import type { StorePolicy } from './store.ts'

/**
 * One script a verb. Each sees only its KEYS, which share one hash tag, and its ARGV; the time is an argument. Expiry by
 * Redis' own clock only collects garbage, so it comes later than the one the scripts decide by.
 *
 * A subject has two hashes: `subject` is what the enrolment wrote, `used` what has been used and guessed since, and the
 * version of the enrolment it belongs to.
 */
const collectAfterMs = 60_000

/** Redis' twin of budget.ts. Failures are one text: the streak, the times of TOTP and those of backup codes, with | between. */
const budgetLua = (policy: StorePolicy): string => `
local function readTimes(text, now)
  local times = {}
  for digits in string.gmatch(text or '', '%d+') do
    local time = tonumber(digits)
    if time <= now + ${hourMs} then times[#times + 1] = time end
  end
  return times
end

local function readFailures(text, now)
  local streak, totp, backup = string.match(text or '', '^(%d+)|([%d ]*)|([%d ]*)$')
  return { streak = tonumber(streak) or 0, totp = readTimes(totp, now), backup = readTimes(backup, now) }
end

local function hourlyWaitMs(times, perHour, now)
  local earliest = times[#times - perHour + 1]
  if not earliest then return 0 end
  return math.max(earliest + ${hourMs} - now, 0)
end

local function streakWaitMs(failures, now)
  local last = failures.totp[#failures.totp]
  if not last or failures.streak < ${freeFailures} then return 0 end
  local wait = math.min(${firstWaitMs} * 2 ^ (failures.streak - ${freeFailures}), ${longestWaitMs})
  return math.max(last + wait - now, 0)
end

local function waitMs(failures, guessed, now)
  if guessed == 'backup' then return hourlyWaitMs(failures.backup, ${policy.backupFailuresPerHour}, now) end
  if failures.streak >= ${policy.lockAfterFailures === 'off' ? 'math.huge' : policy.lockAfterFailures} then return ${hourMs} end
  return math.max(hourlyWaitMs(failures.totp, ${policy.failuresPerHour}, now), streakWaitMs(failures, now))
end

-- Times an hour old, or beyond what the budget looks at, are dropped.
local function latest(times, perHour, now)
  local kept = {}
  for _, time in ipairs(times) do
    if time > now - ${hourMs} then kept[#kept + 1] = time end
  end
  kept[#kept + 1] = now
  while #kept > perHour do table.remove(kept, 1) end
  return kept
end

local function withFailure(failures, guessed, now)
  local streak, totp, backup = failures.streak, failures.totp, failures.backup
  if guessed == 'backup' then
    backup = latest(backup, ${policy.backupFailuresPerHour}, now)
  else
    streak = streak + 1
    totp = latest(totp, ${policy.failuresPerHour}, now)
  end
  return table.concat({streak, table.concat(totp, ' '), table.concat(backup, ' ')}, '|')
end
`

/** KEYS failures; ARGV now, guessed. Every code for an unknown subject is a wrong one. */
export const settleUnknownLua = (policy: StorePolicy): string => `${budgetLua(policy)}
local now, guessed = tonumber(ARGV[1]), ARGV[2]
local failures = readFailures(redis.call('GET', KEYS[1]), now)
local wait = waitMs(failures, guessed, now)
if wait > 0 then return {'locked', wait} end
redis.call('SET', KEYS[1], withFailure(failures, guessed, now))
return {'wrong'}
`

/** KEYS subject, used. Whether there is such a subject; nothing but a loss takes one of the two and leaves the other. */
export const isEnrolledLua = `
local isEnrolled = redis.call('EXISTS', KEYS[1])
if isEnrolled ~= redis.call('EXISTS', KEYS[2]) then return redis.error_reply('DAMAGED a part of the subject is gone') end
return isEnrolled
`

/**
 * KEYS used and, when there is one, challenge; ARGV now, version, guessed, number (step or slot; '' when the code is wrong),
 * credentialId, periodMs. Answers {outcome, milliseconds to wait or slots}. Every verify runs this, so what the right code
 * of a subject without failures does not need is defined only where it is.
 */
export const settleVerificationLua = (policy: StorePolicy): string => `
local used, challenge = KEYS[1], KEYS[2]
local now, guessed, number, credentialId = tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local found = redis.call('HMGET', used, 'version', 'slots', 'failures', 'step:' .. credentialId)
local slots, failures = found[2] or '', found[3]
if found[1] ~= ARGV[2] then return {'gone'} end

if failures or not number then
  ${budgetLua(policy)}
  local counted = readFailures(failures, now)
  local wait = waitMs(counted, guessed, now)
  if wait > 0 then return {'locked', wait} end
  if not number then
    redis.call('HSET', used, 'failures', withFailure(counted, guessed, now))
    return {'wrong'}
  end
end

if challenge then
  local expiresAt = redis.call('GET', challenge)
  if expiresAt and tonumber(expiresAt) > now then return {'replayed'} end
end

if guessed == 'totp' then
  local last = tonumber(found[4])
  if not last then return redis.error_reply('DAMAGED the record of what was used does not fit the subject') end
  if number <= last then return {'replayed'} end
  if floorAt then
    local periodMs = tonumber(ARGV[6])
    local stepFloor = math.floor(floorAt / periodMs) + ${policy.skew}
    if number <= stepFloor then return {'floored', math.max((stepFloor + 1) * periodMs - now, 0)} end
  end
  redis.call('HSET', used, 'step:' .. credentialId, ARGV[4], 'at:' .. credentialId, ARGV[1])
else
  local slot = string.sub(slots, number + 1, number + 1)
  if slot == '' then return redis.error_reply('DAMAGED the record of what was used does not fit the subject') end
  if slot == '1' then return {'replayed'} end
  slots = string.sub(slots, 1, number) .. '1' .. string.sub(slots, number + 2)
  redis.call('HSET', used, 'slots', slots)
end

if failures then redis.call('HDEL', used, 'failures') end
if challenge then
  local ttlMs = ${policy.challengeTtlSeconds * 1000}
  redis.call('SET', challenge, now + ttlMs, 'PX', ttlMs + ${collectAfterMs})
end
return {'accepted', slots}
`

/** KEYS subject, used, starts, enrollments, pending; ARGV now, id, record, ttlMs, pendingMax, refillMs, startsPerHour. Answers {outcome, milliseconds to wait}. */
export const createEnrollmentLua = `${takeTokenLua}
local subjectKey, usedKey, startsKey, enrollmentsKey, pendingKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, id, record, ttlMs, pendingMax = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

if redis.call('EXISTS', subjectKey) == 1 then return {'already_enrolled', 0} end
-- Nothing but a loss takes the subject and leaves what it used.
if redis.call('EXISTS', usedKey) == 1 then return redis.error_reply('DAMAGED the record of a subject is gone') end
local wait = takeToken(startsKey, now, tonumber(ARGV[6]), tonumber(ARGV[7]))
if wait > 0 then return {'rate_limited', wait} end
while redis.call('LLEN', pendingKey) >= pendingMax do
  local oldest = redis.call('LPOP', pendingKey)
  redis.call('HDEL', enrollmentsKey, oldest, 'wrong:' .. oldest)
end
redis.call('RPUSH', pendingKey, id)
redis.call('HSET', enrollmentsKey, id, record)
for _, key in ipairs({pendingKey, enrollmentsKey}) do redis.call('PEXPIRE', key, ttlMs + ${collectAfterMs}) end
return {'created', 0}
`

/** KEYS enrollments; ARGV id. */
export const findEnrollmentLua = `return redis.call('HGET', KEYS[1], ARGV[1])`

/**
 * KEYS enrollments, pending, subject, used.
 * ARGV now, id, failuresMax, kind and, when it is right, version, credentialId, credential, firstStep, backupSet, slots (all '0').
 */
export const settleEnrollmentLua = `
local enrollmentsKey, pendingKey, subjectKey, usedKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, id, failuresMax, kind = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]

local record = redis.call('HGET', enrollmentsKey, id)
local enrollment = record and cjson.decode(record)
if not enrollment or enrollment.expiresAt <= now or redis.call('EXISTS', subjectKey) == 1 then return 'gone' end

if kind == 'wrong' then
  if redis.call('HINCRBY', enrollmentsKey, 'wrong:' .. id, 1) >= failuresMax then
    redis.call('HDEL', enrollmentsKey, id, 'wrong:' .. id)
    redis.call('LREM', pendingKey, 0, id)
  end
  return 'wrong'
end

local version, credentialId, credential, firstStep, backupSet, slots = unpack(ARGV, 5)
redis.call('HSET', subjectKey, 'subject', enrollment.subject, 'version', version,
  'credential:' .. credentialId, credential, 'backupSet', backupSet)
redis.call('HSET', usedKey, 'version', version, 'slots', slots, 'step:' .. credentialId, firstStep)
redis.call('DEL', enrollmentsKey, pendingKey)
return 'activated'
`

/** KEYS subject, used, enrollments, pending and, when there is one, request; ARGV now, requestTtlMs. */
export const revokeLua = `
local requestKey = KEYS[5]
local now, requestTtlMs = tonumber(ARGV[1]), tonumber(ARGV[2])

if requestKey then
  local expiresAt = redis.call('GET', requestKey)
  if expiresAt and tonumber(expiresAt) > now then return 0 end
  redis.call('SET', requestKey, now + requestTtlMs, 'PX', requestTtlMs + ${collectAfterMs})
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return 1
`

/** KEYS used. */
export const unlockLua = `return redis.call('HDEL', KEYS[1], 'failures')`

/** KEYS subject, used. Both hashes, fields and values in turn. */
export const statusLua = `return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}`
