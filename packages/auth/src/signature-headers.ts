import type { SignedRequest } from './scheme.ts'

const timestampPattern = /^(?:0|[1-9]\d{0,11})$/
const signaturePattern = /^[0-9a-f]{64}$/

export type SignatureHeaders = { signature: Buffer; timestamp: string; service: string; keyId: string }

/**
 * What every signature states: plain decimal seconds and 64 lowercase hex digits, one spelling each. A header sent
 * twice arrives joined by a comma, which neither lets through; service and key id are for the caller to judge.
 */
export function parseSignatureHeaders({ headers }: SignedRequest): SignatureHeaders | undefined {
  const signature = headers('x-signature') ?? ''
  const timestamp = headers('x-timestamp') ?? ''
  if (!signaturePattern.test(signature) || !timestampPattern.test(timestamp)) return undefined
  return {
    signature: Buffer.from(signature, 'hex'),
    timestamp,
    service: headers('x-service') ?? '',
    keyId: headers('x-key-id') ?? '',
  }
}

/** Whole seconds between a timestamp and now, either way. */
export function driftSeconds(timestamp: string, now: number): number {
  return Math.abs(Math.floor(now / 1000) - Number(timestamp))
}
