import { createSecureContext } from 'node:tls'
import type { ConfigProblem } from './config-error.ts'
import type { VariableRule } from './read-variables.ts'
import type { Secret } from './secret.ts'
import { variable } from './variable.ts'

/** Read once, at the start: a renewed certificate needs a restart. */
export const tlsVariables = {
  TLS_CERT_FILE: variable
    .certificateFile()
    .optional()
    .describe('PEM file of the certificate to listen with, its chain included; without it plain HTTP'),
  TLS_KEY_FILE: variable.privateKeyFile().optional().describe('PEM file of the private key of TLS_CERT_FILE'),
  TLS_CLIENT_CA_FILE: variable
    .certificateFile()
    .optional()
    .describe(
      'PEM file of the authorities whose client certificates are required; without it none is asked for',
    ),
}

export type TlsValues = {
  TLS_CERT_FILE?: string | undefined
  TLS_KEY_FILE?: Secret | undefined
  TLS_CLIENT_CA_FILE?: string | undefined
}

/** PEM texts. */
export type TlsSettings = { cert: string; key: Secret; clientCa?: string }

export const tlsRule: VariableRule<TlsValues> = {
  reads: ['TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_CLIENT_CA_FILE'],
  check: (values) => {
    const { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientCa } = values
    if (cert !== undefined && key === undefined) {
      return [{ variable: 'TLS_KEY_FILE', message: 'must be set together with TLS_CERT_FILE' }]
    }
    if (key !== undefined && cert === undefined) {
      return [{ variable: 'TLS_CERT_FILE', message: 'must be set together with TLS_KEY_FILE' }]
    }
    if (clientCa !== undefined && cert === undefined) {
      return [{ variable: 'TLS_CLIENT_CA_FILE', message: 'needs TLS_CERT_FILE and TLS_KEY_FILE' }]
    }
    const settings = tlsSettings(values)
    return settings === undefined || canServe(settings) ? [] : [unusable]
  },
}

/** Of values that the rule has let pass; undefined means plain HTTP. */
export function tlsSettings(values: TlsValues): TlsSettings | undefined {
  const { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientCa } = values
  if (cert === undefined || key === undefined) return undefined
  return { cert, key, ...(clientCa !== undefined && { clientCa }) }
}

const unusable: ConfigProblem = {
  variable: 'TLS_KEY_FILE',
  message:
    'and TLS_CERT_FILE cannot serve TLS: the key must be that of the first certificate, and strong enough',
}

function canServe({ cert, key, clientCa }: TlsSettings): boolean {
  try {
    createSecureContext({ cert, key: key.reveal(), ca: clientCa })
    return true
  } catch {
    return false
  }
}
