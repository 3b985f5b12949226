import { createAccessTokens, TokenRefused, type AccessTokens } from './access-tokens.ts'
import type { UpstreamAuth } from './mailer.ts'
import type { Offer } from './reply-text.ts'
import type { Conversation, Fault, Login } from './upstream.ts'

const unusable: Fault = { phase: 'auth', cause: 'auth' }

/** Proves who we are by a mechanism that the server offers; resolves to why that failed. Takes `ms` at most, tokens included. */
export type Authenticate = (
  conversation: Conversation,
  offer: Offer,
  ms: number,
) => Promise<Fault | undefined>

/** Prepares what all connections of one account share. */
export function createAuthenticate(auth: UpstreamAuth, deps: { now: () => number }): Authenticate {
  if ('grant' in auth) {
    const tokens = createAccessTokens(auth.grant, deps)
    return (conversation, offer, ms) => presentToken(conversation, { user: auth.user, tokens }, offer, ms)
  }
  return async (conversation, offer, ms) => {
    const login = passwordLogin(auth, offer)
    return login ? faultOf(await conversation.login(ms, login)) : unusable
  }
}

async function presentToken(
  conversation: Conversation,
  { user, tokens }: { user: string; tokens: AccessTokens },
  offer: Offer,
  ms: number,
): Promise<Fault | undefined> {
  if (!offer.authMechanisms.has('XOAUTH2')) return unusable
  let tokenFault: Fault | undefined
  const token: Extract<Login, { method: 'XOAUTH2' }>['token'] = async (options) => {
    try {
      return (await tokens.get(options)).reveal()
    } catch (error) {
      tokenFault = error instanceof TokenRefused ? unusable : { phase: 'auth', cause: 'connection' }
      throw error
    }
  }
  const fault = faultOf(await conversation.login(ms, { method: 'XOAUTH2', user, token }))
  return fault && (tokenFault ?? fault)
}

function passwordLogin(
  { user, password, method }: Extract<UpstreamAuth, { password: unknown }>,
  { authMechanisms }: Offer,
): Login | undefined {
  const methods = method ? ([method] as const) : (['PLAIN', 'LOGIN'] as const)
  const usable = methods.find((name) => authMechanisms.has(name))
  return usable && { method: usable, user, password: password.reveal() }
}

function faultOf(step: Awaited<ReturnType<Conversation['login']>>): Fault | undefined {
  return step.ok ? undefined : step.fault
}
