import type { Redis } from 'ioredis'
import { createHash } from 'node:crypto'
import type { Script } from './store-handle.ts'
import { StoreUnavailable } from './store-unavailable.ts'

/** The connection that commands go out on. */
export type Link = {
  /** Another number after each loss of the connection. */
  number: () => number
  /** Gives the connection with this number up, with everything under way on it. */
  giveUp: (number: number, cause: string) => void
}

/** Hands the last argument back beside the answer of `lua`; an error stands alone. */
const echoing = (lua: string): string => `local function answerCall()
${lua}
end
local answer = answerCall()
if type(answer) == 'table' and answer.err then return answer end
return {answer or false, ARGV[#ARGV]}
`

/**
 * Makes scripts whose every call can tell its own reply: the token it sent comes back with it. A lost reply moves all later
 * ones, so a token in its place also vouches for the replies that came before it on the connection.
 */
export function createScripts(
  client: Redis,
  link: Link,
  randomBytes: (size: number) => Buffer,
): (lua: string) => Script {
  const name = randomBytes(6).toString('base64url')
  let calls = 0

  function outOfStep(sentOn: number): StoreUnavailable {
    link.giveUp(sentOn, 'a reply belongs to another call')
    return new StoreUnavailable('Redis gave the reply of another call')
  }

  return (lua) => {
    const text = echoing(lua)
    const sha = createHash('sha1').update(text).digest('hex')
    let knownOn: number | undefined

    /** The text on a connection's first call, its hash afterwards. */
    function send(sentOn: number, keys: readonly string[], words: readonly (string | number)[]) {
      const isKnown = knownOn === sentOn
      knownOn = sentOn
      return isKnown
        ? client.evalsha(sha, keys.length, ...keys, ...words)
        : client.eval(text, keys.length, ...keys, ...words)
    }

    return async (keys, args) => {
      const token = `${name}.${++calls}`
      const sentOn = link.number()
      try {
        const reply: unknown = await send(sentOn, keys, [...args, token])
        const [answer, echoed] = Array.isArray(reply) ? (reply as unknown[]) : []
        if (echoed !== token) throw outOfStep(sentOn)
        return answer
      } catch (error) {
        // Perhaps the error of another call, so even NOSCRIPT is no leave to send this one again.
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) knownOn = undefined
        throw error
      }
    }
  }
}
