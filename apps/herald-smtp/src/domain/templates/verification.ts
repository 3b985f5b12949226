/** What the built-in mail around a code says in one language. */
export type VerificationTexts = {
  /** BCP 47. */
  locale: string
  /** Ranges beyond the locale itself that ask for this language (RFC 4647 2.1). */
  ranges?: readonly string[]
  dir: 'ltr' | 'rtl'
  subject: string
  /** Stands before the code, blank included; so that no grammar depends on what follows. */
  lead: string
  /** Stands before a span of time in its basic form. */
  validity: string
  caution: string
}

/** The template `verification`, one row for each language; English comes first and is what everybody else gets. */
export const verificationTexts: readonly [VerificationTexts, ...VerificationTexts[]] = [
  {
    locale: 'en',
    dir: 'ltr',
    subject: 'Verification code',
    lead: 'Your verification code is: ',
    validity: 'Valid for: ',
    caution:
      'If you did not ask for this code, you can ignore this message. Never share the code with anyone.',
  },
  {
    locale: 'zh-CN',
    ranges: ['zh', 'zh-Hans'],
    dir: 'ltr',
    subject: '验证码',
    lead: '您的验证码是：',
    validity: '有效时间：',
    caution: '如果您没有请求此验证码，请忽略本邮件。请勿将验证码告诉任何人。',
  },
  {
    locale: 'zh-TW',
    ranges: ['zh-Hant', 'zh-HK', 'zh-MO'],
    dir: 'ltr',
    subject: '驗證碼',
    lead: '您的驗證碼是：',
    validity: '有效時間：',
    caution: '如果您沒有要求此驗證碼，請忽略這封郵件。請勿將驗證碼告訴任何人。',
  },
  {
    locale: 'ja',
    dir: 'ltr',
    subject: '確認コード',
    lead: '確認コード：',
    validity: '有効期限：',
    caution:
      'このコードをリクエストした覚えがない場合は、このメールを無視してください。コードは誰にも教えないでください。',
  },
  {
    locale: 'ko',
    dir: 'ltr',
    subject: '인증 코드',
    lead: '인증 코드: ',
    validity: '유효 시간: ',
    caution: '이 코드를 요청하지 않으셨다면 이 메일을 무시하셔도 됩니다. 코드를 누구에게도 알려 주지 마세요.',
  },
  {
    locale: 'de',
    dir: 'ltr',
    subject: 'Bestätigungscode',
    lead: 'Ihr Bestätigungscode lautet: ',
    validity: 'Gültigkeit: ',
    caution:
      'Falls Sie diesen Code nicht angefordert haben, können Sie diese Nachricht ignorieren. Geben Sie den Code an niemanden weiter.',
  },
  {
    locale: 'fr',
    dir: 'ltr',
    subject: 'Code de vérification',
    lead: 'Votre code de vérification\u00a0: ',
    validity: 'Durée de validité\u00a0: ',
    caution:
      'Si vous n’avez pas demandé ce code, vous pouvez ignorer ce message. Ne communiquez ce code à personne.',
  },
  {
    locale: 'es',
    dir: 'ltr',
    subject: 'Código de verificación',
    lead: 'Tu código de verificación es: ',
    validity: 'Validez: ',
    caution: 'Si no has solicitado este código, puedes ignorar este mensaje. No lo compartas con nadie.',
  },
  {
    locale: 'it',
    dir: 'ltr',
    subject: 'Codice di verifica',
    lead: 'Il tuo codice di verifica è: ',
    validity: 'Validità: ',
    caution:
      'Se non hai richiesto questo codice, puoi ignorare questo messaggio. Non comunicare il codice a nessuno.',
  },
  {
    locale: 'pt-BR',
    ranges: ['pt'],
    dir: 'ltr',
    subject: 'Código de verificação',
    lead: 'Seu código de verificação é: ',
    validity: 'Validade: ',
    caution:
      'Se você não solicitou este código, pode ignorar esta mensagem. Não compartilhe o código com ninguém.',
  },
  {
    locale: 'ru',
    dir: 'ltr',
    subject: 'Код подтверждения',
    lead: 'Ваш код подтверждения: ',
    validity: 'Срок действия: ',
    caution: 'Если вы не запрашивали этот код, просто проигнорируйте это письмо. Никому не сообщайте код.',
  },
  {
    locale: 'ar',
    dir: 'rtl',
    subject: 'رمز التحقق',
    lead: 'رمز التحقق الخاص بك هو: ',
    validity: 'مدة الصلاحية: ',
    caution: 'إذا لم تطلب هذا الرمز، فيمكنك تجاهل هذه الرسالة. لا تشارك الرمز مع أي شخص.',
  },
]
