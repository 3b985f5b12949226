import { z } from 'zod'
import type { Reach } from './reach.ts'

export type Environment = 'production' | 'development' | 'test'

/** Which peers turn a finding into a refusal in production; an empty list only ever warns. */
const refusesTowards = {
  WEAK_KEY: ['loopback', 'private', 'public'],
  EXAMPLE_VALUE: ['loopback', 'private', 'public'],
  FILE_PERMS: ['loopback', 'private', 'public'],
  TLS_VERIFY_OFF: ['loopback', 'private', 'public'],
  NO_AUTH: ['loopback', 'private', 'public'],
  REDIS_NOAUTH: ['private', 'public'],
  REDIS_PLAINTEXT: ['public'],
  SMTP_PLAINTEXT: ['public'],
  ENV_BACKEND: [],
  REDIS_EVICTION: [],
  REDIS_NOT_DURABLE: [],
  CLOCK_SKEW: [],
  HMAC_V1: [],
  EXPOSE_SECRET: [],
  TEST_KEY: [],
} as const satisfies Record<string, readonly Reach[]>

export type GateCode = keyof typeof refusesTowards

export const gateCodes = Object.keys(refusesTowards) as readonly GateCode[]

export type GateFinding = {
  code: GateCode
  /** The variable to change. */
  variable: string
  /** Reads on after the name of the variable; never holds a value. */
  message: string
  remedy: string
  /** Where the peer lies that the finding is about; taken as public when absent. */
  reach?: Reach
}

export type GatePolicy = { environment: Environment; accepted: ReadonlySet<GateCode> }

/** What the variables of that name say; what cannot be read is taken at its strictest. */
export function gatePolicy(values: {
  ENVIRONMENT?: Environment
  GATE_ACCEPT?: ReadonlySet<GateCode> | undefined
}): GatePolicy {
  return { environment: values.ENVIRONMENT ?? 'production', accepted: values.GATE_ACCEPT ?? new Set() }
}

/** Findings refuse in production alone, and there only when their code is not accepted; all others warn. */
export function judge(
  findings: readonly GateFinding[],
  policy: GatePolicy,
): { refused: GateFinding[]; warned: GateFinding[] } {
  const refuses = ({ code, reach = 'public' }: GateFinding) =>
    policy.environment === 'production' &&
    !policy.accepted.has(code) &&
    (refusesTowards[code] as readonly Reach[]).includes(reach)
  const { refused = [], warned = [] } = Object.groupBy(findings, (finding) =>
    refuses(finding) ? 'refused' : 'warned',
  )
  return { refused, warned }
}

/** `CODE,CODE`; a code that does not exist is a problem, so that a typing error opens nothing unseen. */
export function gateAccept() {
  return z.string().transform((text, context): ReadonlySet<GateCode> => {
    const codes = text.split(',').map((code) => code.trim())
    if (codes.every(isGateCode)) return new Set(codes)
    context.addIssue({
      code: 'custom',
      message: `names a code that does not exist; there are ${gateCodes.join(', ')}`,
    })
    return z.NEVER
  })
}

function isGateCode(text: string): text is GateCode {
  return Object.hasOwn(refusesTowards, text)
}
