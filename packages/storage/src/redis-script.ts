import { createHash } from 'node:crypto'
import type { LinkMemory, RedisLink } from './redis-link.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** What a script gives in place of an answer when the store did not hold the marker, and nothing was done. */
export const unmarked = Symbol('unmarked')

/** Sends one call; its own answer, or `unmarked`. */
export type Call = (
  link: RedisLink,
  keys: readonly (string | number)[],
  args: readonly (string | number)[],
) => Promise<unknown>

/** Takes the token off ARGV and hands it back beside the answer of `lua`; an error stands alone. */
const echoing = (lua: string, before = ''): string => `local token = table.remove(ARGV)
${before}local function answerCall()
${lua}
end
local answer = answerCall()
if type(answer) == 'table' and answer.err then return answer end
return {answer or false, token}
`

/** Takes the marker and the floor off KEYS and ARGV, and does nothing where another marker stands. */
const checkMarker = `local text, floorAt, markerKey = table.remove(ARGV), tonumber(table.remove(ARGV)), table.remove(KEYS)
if redis.call('GET', markerKey) ~= text then return {token} end
`

/** So that there is a write to wait for, also when the call finds everything done by one before it. */
const rewriteMarker = `redis.call('SET', markerKey, text)
`

export type Scripts = {
  /** A script that runs wherever it is sent. */
  bare: (lua: string) => Call
  /** A script whose keys end with the marker's and whose arguments end with its floor ('' for none), `floorAt` to the script, and its text. */
  marked: (lua: string) => Call
  /** As `marked`, and never without a write of its own. */
  written: (lua: string) => Call
}

/**
 * Makes scripts whose every call can tell its own reply: the token it sent comes back with it. A lost reply moves all later
 * ones, so a token in its place also vouches for the replies that came before it on the connection.
 */
export function createScripts(randomBytes: (size: number) => Buffer): Scripts {
  const name = randomBytes(6).toString('base64url')
  let calls = 0

  function createCall(text: string): Call {
    const sha = createHash('sha1').update(text).digest('hex')
    return async (link, keys, args) => {
      const token = `${name}.${++calls}`
      const memory = link.memory()
      // The text on a connection's first call, its hash afterwards.
      const isKnown = memory.scripts.has(sha)
      if (!isKnown) memory.scripts.add(sha)
      const words = [isKnown ? sha : text, keys.length, ...keys, ...args, token]
      let reply: unknown
      try {
        reply = await link.send(isKnown ? 'evalsha' : 'eval', words)
      } catch (error) {
        // Perhaps that of another call: even NOSCRIPT is no leave to send this one again, and any may stand for NOSCRIPT.
        memory.scripts.delete(sha)
        throw error
      }
      if (!Array.isArray(reply) || reply.at(-1) !== token) throw outOfStep(link, memory)
      return reply.length === 1 ? unmarked : (reply[0] as unknown)
    }
  }

  return {
    bare: (lua) => createCall(echoing(lua)),
    marked: (lua) => createCall(echoing(lua, checkMarker)),
    written: (lua) => createCall(echoing(lua, checkMarker + rewriteMarker)),
  }
}

function outOfStep(link: RedisLink, memory: LinkMemory): StoreUnavailable {
  link.giveUp(memory, 'a reply belongs to another call')
  return new StoreUnavailable('Redis gave the reply of another call')
}
