import { Registry } from 'prom-client'
import { createOrigins, type Settings } from '../config.ts'
import type { Answer } from '../domain/answer.ts'
import { createComposer } from '../domain/content.ts'
import { createDelivery } from '../domain/delivery.ts'
import { createDkimSigner } from '../domain/dkim.ts'
import { createMessageBuilder } from '../domain/message.ts'
import { createProtection } from '../domain/protection.ts'
import { parseRecipient } from '../domain/recipient.ts'
import { createSending } from '../domain/sending.ts'
import { createSmtpMetrics } from '../metrics.ts'
import { createRelays } from '../relays.ts'
import { readJudgedSettings } from './read-judged-settings.ts'
import type { CommandWorld } from '../world.ts'
import { silentLogger } from './silent-logger.ts'

const mail = {
  subject: 'Test of herald-smtp',
  body: 'This mail shows that herald-smtp reaches you. Nobody tries to log in.',
}

/** Sends one mail the way the service would, limits and store left out; 0 when an upstream took it, else 1. */
export async function sendTest(address: string, world: CommandWorld): Promise<number> {
  const { env, now, randomBytes, print } = world
  const recipient = parseRecipient(address)
  if (recipient === undefined) {
    print('the address is not one plain e-mail address')
    return 1
  }
  const settings = await readJudgedSettings(env)
  const metrics = createSmtpMetrics(new Registry())
  const relays = createRelays(settings.upstreams, { now, logger: silentLogger, metrics })
  const deliver = createDelivery({ upstreams: relays.all, now, random: () => 0 })
  const sendMail = createSending(
    {
      protection: withoutLimits(now),
      deliver,
      buildMessage: createMessageBuilder(),
      sign: signerOf(settings),
      now,
      onFault: () => {},
    },
    { originOf: createOrigins(settings) },
  )
  const content = createComposer({ brand: settings.brand, layout: settings.layout })(mail)
  const messageId = `${randomBytes(20).toString('base64url')}@${settings.sender.domain}`
  const deadline = now() + settings.sendDeadlineMs
  const sent = { caller: 'send-test', recipient, toDigest: recipient.address, content }
  const answer = await sendMail(sent, messageId, deadline)
  await relays.drain()
  print(describe(answer, messageId))
  return answer.ok ? 0 : 1
}

const signerOf = ({ dkim }: Settings) => dkim && createDkimSigner(dkim)

function withoutLimits(now: () => number) {
  const buckets = { take: async () => ({ ok: true }) as const, giveBack: async () => {} }
  return createProtection({ buckets, digestAddress: (text) => text, now }, {})
}

function describe(answer: Answer, messageId: string): string {
  if (answer.ok) {
    const id = answer.upstreamResponseId === undefined ? '' : ` as ${answer.upstreamResponseId}`
    return `accepted by ${answer.upstream}${id}; Message-ID ${messageId}`
  }
  const { outcome, reason, upstream, phase, smtpCode, enhancedCode } = answer
  const reply = [smtpCode, enhancedCode].filter((code) => code !== undefined).join(' ')
  const where = [upstream, phase && `at ${phase}`, reply && `reply ${reply}`].filter(Boolean).join(', ')
  return `${outcome}: ${reason} (${where})`
}
