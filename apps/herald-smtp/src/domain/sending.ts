import { refusal, type Answer, type RefusedAnswer } from './answer.ts'
import type { Content } from './content.ts'
import { unlessLate } from './deadline.ts'
import type { Deliver } from './delivery.ts'
import { buildMessage, type Sender } from './message.ts'
import type { Protection } from './protection.ts'
import type { Recipient } from './recipient.ts'

export type Mail = { caller: string; recipient: Recipient; content: Content }

export type SendMail = (mail: Mail, messageId: string, deadline: number) => Promise<Answer>

/**
 * Sends one mail within the limits. A store that does not answer in time refuses the mail: a limit that cannot be read is
 * none. What certainly was not sent counts against no budget.
 */
export function createSending(
  deps: { protection: Protection; deliver: Deliver; now: () => number; onFault: (fault: unknown) => void },
  options: { sender: Sender; envelopeFrom: string },
): SendMail {
  const { protection, deliver, now, onFault } = deps
  const { sender, envelopeFrom } = options

  async function attempt(mail: Mail, messageId: string, deadline: number): Promise<Answer> {
    const { address: to, smtpUtf8 } = mail.recipient
    const raw = buildMessage({ ...mail.content, from: sender, to: mail.recipient, messageId, sentAt: now() })
    const delivery = await deliver({ envelope: { from: envelopeFrom, to, smtpUtf8 }, raw }, deadline)
    if (!delivery.ok) return delivery
    const { upstream, upstreamResponseId } = delivery
    return { ok: true, messageId, upstream, ...(upstreamResponseId !== undefined && { upstreamResponseId }) }
  }

  return async (mail, messageId, deadline) => {
    const recalled = protection.recall(mail.recipient)
    if (recalled) return recalled
    const admitting = protection.admit(mail).catch((fault: unknown): undefined => {
      onFault(fault)
    })
    const admission = await unlessLate(admitting, deadline - now(), undefined)
    if (admission === undefined) return refusal('unavailable', 'not_sent')
    if (!admission.ok) return admission

    const answer = await attempt(mail, messageId, deadline)
    if (!answer.ok && answer.outcome === 'not_sent') admission.giveBack().catch(onFault)
    if (isAboutTheAddress(answer)) protection.remember(mail.recipient, answer)
    return answer
  }
}

function isAboutTheAddress(answer: Answer): answer is RefusedAnswer {
  return !answer.ok && answer.reason === 'invalid_destination' && answer.permanent
}
