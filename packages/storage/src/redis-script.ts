import { createHash } from 'node:crypto'
import type { RedisLink } from './redis-link.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** What a script gives in place of an answer when the store did not hold the marker, and nothing was done. */
export const unmarked = Symbol('unmarked')

/** Sends one call; its own answer, or `unmarked`. */
export type Call = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

/** Takes the token off ARGV and hands it back beside the answer of `lua`; an error stands alone. */
const echoing = (lua: string, before = ''): string => `local token = table.remove(ARGV)
${before}local function answerCall()
${lua}
end
local answer = answerCall()
if type(answer) == 'table' and answer.err then return answer end
return {answer or false, token}
`

/** Takes the marker's text and key off ARGV and KEYS, and does nothing unless the one is what the other holds. */
const checkMarker = `local text, markerKey = table.remove(ARGV), table.remove(KEYS)
if redis.call('GET', markerKey) ~= text then return {token} end
`

export type Scripts = {
  /** A script that runs wherever it is sent. */
  bare: (lua: string) => Call
  /** A script whose calls end with the marker's key and, as last argument, its text. */
  marked: (lua: string) => Call
}

/**
 * Makes scripts whose every call can tell its own reply: the token it sent comes back with it. A lost reply moves all later
 * ones, so a token in its place also vouches for the replies that came before it on the connection.
 */
export function createScripts(link: RedisLink, randomBytes: (size: number) => Buffer): Scripts {
  const name = randomBytes(6).toString('base64url')
  let calls = 0

  function outOfStep(sentOn: number): StoreUnavailable {
    link.giveUp(sentOn, 'a reply belongs to another call')
    return new StoreUnavailable('Redis gave the reply of another call')
  }

  function prepare(text: string): Call {
    const sha = createHash('sha1').update(text).digest('hex')
    let knownOn: number | undefined
    return async (keys, args) => {
      const token = `${name}.${++calls}`
      const sentOn = link.number()
      // The text on a connection's first call, its hash afterwards.
      const isKnown = knownOn === sentOn
      knownOn = sentOn
      const words = [isKnown ? sha : text, keys.length, ...keys, ...args, token]
      let reply: unknown
      try {
        reply = await link.send(isKnown ? 'evalsha' : 'eval', words)
      } catch (error) {
        // Perhaps the error of another call, so even NOSCRIPT is no leave to send this one again.
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) knownOn = undefined
        throw error
      }
      if (!Array.isArray(reply) || reply.at(-1) !== token) throw outOfStep(sentOn)
      return reply.length === 1 ? unmarked : (reply[0] as unknown)
    }
  }

  return {
    bare: (lua) => prepare(echoing(lua)),
    marked: (lua) => prepare(echoing(lua, checkMarker)),
  }
}
