import { takeTokenLua } from '@herald/storage'
import { firstWaitMs, freeFailures, hourMs, longestWaitMs } from './budget.ts'

/**
 * One script a verb. Each sees only its KEYS, which share one hash tag, and its ARGV; the time is an argument. Answers are
 * {outcome, number}. Expiry by Redis' own clock only collects garbage, so it comes later than the one the scripts decide by.
 */
const collectAfterMs = 60_000

/** Redis' twin of budget.ts. `policy` has totpPerHour, lockAfter (0: never) and backupPerHour. */
const budgetLua = `
local function readTimes(text, now)
  local times = {}
  for digits in string.gmatch(text or '', '%d+') do
    local time = tonumber(digits)
    if time <= now + ${hourMs} then times[#times + 1] = time end
  end
  return times
end

local function readFailures(key, now)
  local found = redis.call('HMGET', key, 'streak', 'totp', 'backup')
  return { streak = tonumber(found[1]) or 0, totp = readTimes(found[2], now), backup = readTimes(found[3], now) }
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

local function waitMs(failures, guessed, policy, now)
  if guessed == 'backup' then return hourlyWaitMs(failures.backup, policy.backupPerHour, now) end
  if policy.lockAfter > 0 and failures.streak >= policy.lockAfter then return ${hourMs} end
  return math.max(hourlyWaitMs(failures.totp, policy.totpPerHour, now), streakWaitMs(failures, now))
end

-- Times an hour old, or beyond what the budget looks at, are dropped.
local function latest(times, perHour, now)
  local kept = {}
  for _, time in ipairs(times) do
    if time > now - ${hourMs} then kept[#kept + 1] = string.format('%.0f', time) end
  end
  kept[#kept + 1] = string.format('%.0f', now)
  return table.concat(kept, ' ', math.max(#kept - perHour + 1, 1))
end

local function countFailure(key, failures, guessed, policy, now)
  if guessed == 'backup' then
    redis.call('HSET', key, 'backup', latest(failures.backup, policy.backupPerHour, now))
  else
    redis.call('HSET', key, 'streak', failures.streak + 1, 'totp', latest(failures.totp, policy.totpPerHour, now))
  end
end
`

/** KEYS failures; ARGV now, guessed, totpPerHour, lockAfter, backupPerHour. Every code for an unknown subject is a wrong one. */
export const settleUnknownLua = `${budgetLua}
local now, guessed = tonumber(ARGV[1]), ARGV[2]
local policy = { totpPerHour = tonumber(ARGV[3]), lockAfter = tonumber(ARGV[4]), backupPerHour = tonumber(ARGV[5]) }

local failures = readFailures(KEYS[1], now)
local wait = waitMs(failures, guessed, policy, now)
if wait > 0 then return {'locked', wait} end
countFailure(KEYS[1], failures, guessed, policy, now)
return {'wrong', 0}
`

/**
 * KEYS subject, used, failures and, when there is one, challenge.
 * ARGV now, guessed, totpPerHour, lockAfter, backupPerHour, version, kind, credentialId, number (step or slot), stepFloor, challengeTtlMs.
 */
export const settleVerificationLua = `${budgetLua}
local subjectKey, usedKey, failuresKey, challengeKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, guessed = tonumber(ARGV[1]), ARGV[2]
local policy = { totpPerHour = tonumber(ARGV[3]), lockAfter = tonumber(ARGV[4]), backupPerHour = tonumber(ARGV[5]) }
local version, kind, credentialId = ARGV[6], ARGV[7], ARGV[8]
local number, stepFloor, challengeTtlMs = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local function damaged()
  return redis.error_reply('DAMAGED the record of what was used does not fit the subject')
end

local function isChallengeSpent()
  if not challengeKey then return false end
  local expiresAt = redis.call('GET', challengeKey)
  return expiresAt and tonumber(expiresAt) > now
end

local function accept()
  redis.call('DEL', failuresKey)
  if challengeKey then
    redis.call('SET', challengeKey, now + challengeTtlMs, 'PX', challengeTtlMs + ${collectAfterMs})
  end
  local _, left = string.gsub(redis.call('HGET', usedKey, 'backup') or '', '0', '0')
  return {'accepted', left}
end

local function settleStep()
  local last = tonumber(redis.call('HGET', usedKey, 'step:' .. credentialId))
  if not last then return damaged() end
  if number <= stepFloor then
    local credential = cjson.decode(redis.call('HGET', subjectKey, 'credential:' .. credentialId))
    return {'floored', math.max((stepFloor + 1) * credential.periodSeconds * 1000 - now, 0)}
  end
  if number <= last then return {'replayed', 0} end
  redis.call('HSET', usedKey, 'step:' .. credentialId, number, 'at:' .. credentialId, now)
  return accept()
end

local function settleSlot()
  local slots = redis.call('HGET', usedKey, 'backup') or ''
  local slot = string.sub(slots, number + 1, number + 1)
  if slot == '' then return damaged() end
  if slot == '1' then return {'replayed', 0} end
  redis.call('HSET', usedKey, 'backup', string.sub(slots, 1, number) .. '1' .. string.sub(slots, number + 2))
  return accept()
end

if redis.call('HGET', subjectKey, 'version') ~= version then return {'gone', 0} end
local failures = readFailures(failuresKey, now)
local wait = waitMs(failures, guessed, policy, now)
if wait > 0 then return {'locked', wait} end
if kind == 'wrong' then
  countFailure(failuresKey, failures, guessed, policy, now)
  return {'wrong', 0}
end
if isChallengeSpent() then return {'replayed', 0} end
if kind == 'totp' then return settleStep() end
return settleSlot()
`

/** KEYS subject, used, starts, enrollments, pending; ARGV now, id, record, ttlMs, pendingMax, refillMs, startsPerHour. */
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

/**
 * KEYS enrollments, pending, subject, used, failures.
 * ARGV now, id, failuresMax, kind and, when it is right, version, credentialId, credential, firstStep, backupSet, backupSlots (all '0').
 */
export const settleEnrollmentLua = `
local enrollmentsKey, pendingKey, subjectKey, usedKey, failuresKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
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

local version, credentialId, credential, firstStep, backupSet, backupSlots = unpack(ARGV, 5)
redis.call('HSET', subjectKey, 'subject', enrollment.subject, 'version', version,
  'credential:' .. credentialId, credential, 'backupSet', backupSet)
redis.call('HSET', usedKey, 'step:' .. credentialId, firstStep, 'backup', backupSlots)
redis.call('DEL', enrollmentsKey, pendingKey, failuresKey)
return 'activated'
`

/** KEYS subject, used, failures, enrollments, pending and, when there is one, request; ARGV now, requestTtlMs. */
export const revokeLua = `
local requestKey = KEYS[6]
local now, requestTtlMs = tonumber(ARGV[1]), tonumber(ARGV[2])

if requestKey then
  local expiresAt = redis.call('GET', requestKey)
  if expiresAt and tonumber(expiresAt) > now then return 0 end
  redis.call('SET', requestKey, now + requestTtlMs, 'PX', requestTtlMs + ${collectAfterMs})
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return 1
`

/** KEYS subject, used, failures; ARGV now, totpPerHour, lockAfter. Answers {record, used, wait}. */
export const statusLua = `${budgetLua}
local now = tonumber(ARGV[1])
local policy = { totpPerHour = tonumber(ARGV[2]), lockAfter = tonumber(ARGV[3]) }
local wait = waitMs(readFailures(KEYS[3], now), 'totp', policy, now)
return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), wait}
`
