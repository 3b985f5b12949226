import { refusal, type Answer, type RefusedAnswer } from './answer.ts'
import type { Content } from './content.ts'
import { unlessLate } from './deadline.ts'
import type { OutgoingMessage } from '../mailer/mailer.ts'
import type { Deliver } from './delivery.ts'
import type { SignMessage } from './dkim.ts'
import type { BuildMessage, Sender } from './message.ts'
import type { Addressed, Protection } from './protection.ts'

export type Mail = Addressed & { content: Content }

/** Who a mail is from, by header and by envelope. */
export type Origin = { sender: Sender; envelopeFrom: string }

export type SendMail = (mail: Mail, messageId: string, deadline: number) => Promise<Answer>

/**
 * Sends one mail within the limits. A store that does not answer in time refuses the mail: a limit that cannot be read is
 * none. What certainly was not sent counts against no budget.
 */
export function createSending(
  deps: {
    protection: Protection
    deliver: Deliver
    buildMessage: BuildMessage
    /** Absent where nobody signs, or the upstream does. */
    sign?: SignMessage | undefined
    now: () => number
    onFault: (fault: unknown) => void
  },
  options: { originOf: (upstream: string) => Origin },
): SendMail {
  const { protection, deliver, buildMessage, sign, now, onFault } = deps

  async function attempt(mail: Mail, messageId: string, deadline: number): Promise<Answer> {
    const { address: to } = mail.recipient
    const compose = async (upstream: string): Promise<OutgoingMessage> => {
      const { sender, envelopeFrom } = options.originOf(upstream)
      const message = buildMessage({
        ...mail.content,
        from: sender,
        to: mail.recipient,
        messageId,
        sentAt: now(),
      })
      const raw = sign ? await sign(message) : message
      return { envelope: { from: envelopeFrom, to }, raw }
    }
    const delivery = await deliver(compose, { deadline, caller: mail.caller })
    if (!delivery.ok) return delivery
    const { upstream, upstreamResponseId } = delivery
    return { ok: true, messageId, upstream, ...(upstreamResponseId !== undefined && { upstreamResponseId }) }
  }

  return async (mail, messageId, deadline) => {
    const recalled = protection.recall(mail.toDigest)
    if (recalled) return recalled
    const admitting = protection.admit(mail).catch((fault: unknown): undefined => {
      onFault(fault)
    })
    const admission = await unlessLate(admitting, deadline - now(), 'late' as const)
    if (admission === 'late') {
      onFault(new Error('the limits could not be read before the deadline'))
      admitting.then((late) => (late?.ok ? late.giveBack() : undefined)).catch(onFault)
    }
    if (admission === undefined || admission === 'late') return refusal('unavailable', 'not_sent')
    if (!admission.ok) return admission

    const answer = await attempt(mail, messageId, deadline)
    if (!answer.ok && answer.outcome === 'not_sent') admission.giveBack().catch(onFault)
    if (isAboutTheAddress(answer)) protection.remember(mail.toDigest, answer)
    return answer
  }
}

function isAboutTheAddress(answer: Answer): answer is RefusedAnswer {
  return !answer.ok && answer.reason === 'invalid_destination' && answer.permanent
}
