import { checkSecret } from './check-secret.ts'
import type { VariableRule } from './read-variables.ts'
import type { Secret } from './secret.ts'
import { variable } from './variable.ts'

/** Where the trail of security events goes, and what chains it. */
export const auditVariables = {
  AUDIT_FILE: variable
    .text({ maxLength: 4096 })
    .optional()
    .describe('File that the audit trail is appended to; unset means the standard output, among the log'),
  AUDIT_KEY: variable
    .secret()
    .optional()
    .describe('Secret that the audit trail is chained under; unset derives one from the other secrets'),
}

type AuditValues = { AUDIT_FILE?: string | undefined; AUDIT_KEY?: Secret | undefined }

/** What `checkSecret` says about the key. */
export const auditRule: VariableRule<AuditValues> = {
  reads: ['AUDIT_KEY'],
  find: ({ AUDIT_KEY: key }) => (key ? checkSecret('AUDIT_KEY', key, { minBytes: 32 }) : []),
}
