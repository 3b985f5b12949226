/**
 * What may be told of an error that ioredis hands on: the code word of a reply or the code of the system or of TLS.
 * Redis' own text repeats the arguments of the command it refused.
 */
export function redisCause(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'unknown'
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  return error.name === 'Error' ? 'no answer' : error.name
}
