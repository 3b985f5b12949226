/** Nobody needs as much to reply; what comes without being a reply counts too. */
const bytesMax = 16_384

/**
 * Cuts what a server says into replies of one line or several (RFC 5321 section 4.2.1), each without the end of its last
 * line. `isLast` is false when more was said in the same breath. What is too long to be a reply is `onOverflow`.
 */
export function createReplyReader(listener: {
  onReply: (reply: string, isLast: boolean) => void
  onOverflow: () => void
}): (chunk: Buffer) => void {
  let rest = ''
  let reply = ''
  let bytes = 0

  function take(line: string, isLast: boolean): void {
    reply = reply === '' ? line : `${reply}\n${line}`
    if (/^\d{3}-/.test(line) || reply.trim() === '') return
    const whole = reply
    reply = ''
    bytes = 0
    listener.onReply(whole, isLast)
  }

  return (chunk) => {
    const said = rest + chunk.toString('latin1')
    let start = 0
    for (let end = said.indexOf('\n'); end !== -1; end = said.indexOf('\n', start)) {
      const line = said.slice(start, said[end - 1] === '\r' ? end - 1 : end)
      bytes += end + 1 - start
      if (bytes > bytesMax) return listener.onOverflow()
      start = end + 1
      take(line, start === said.length)
    }
    rest = said.slice(start)
    if (bytes + rest.length > bytesMax) listener.onOverflow()
  }
}
