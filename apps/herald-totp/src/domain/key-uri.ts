import { toBase32, type TotpParameters } from './totp.ts'

/**
 * The otpauth URI of the Key URI format. Issuer and account are percent-encoded; the format allows one colon, between the
 * two, so a colon of the account name becomes a dash.
 */
export function keyUri(key: {
  issuer: string
  account: string
  parameters: TotpParameters
  secret: Uint8Array
}): string {
  const { algorithm, digits, periodSeconds } = key.parameters
  const issuer = encodeURIComponent(key.issuer)
  const account = encodeURIComponent(key.account.replaceAll(':', '-'))
  const query = `algorithm=${algorithm}&digits=${digits}&issuer=${issuer}&period=${periodSeconds}`
  return `otpauth://totp/${issuer}:${account}?${query}&secret=${toBase32(key.secret)}`
}
