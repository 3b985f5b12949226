import { createPrivateKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { gateAccept } from './gate.ts'
import { type Networks, parseNetworks } from './networks.ts'
import { parseAddresses } from './redis-address.ts'
import { createSecret } from './secret.ts'
import { fromSource } from './variable-source.ts'

const truths = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const falsehoods = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])
const yesAndNo: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['no', false],
])

function parseBool(text: string): boolean | undefined {
  return truths.has(text) ? true : falsehoods.has(text) ? false : undefined
}

/**
 * Pieces of a schema over the text of an environment variable. Their messages read on after the variable's name and
 * never hold its value. Defaults are given as text, with `prefault`.
 */
export const variable = {
  text: (options: { maxLength: number }) =>
    piece(`must be text of at most ${options.maxLength} characters without control characters`, (text) =>
      text.length <= options.maxLength && !hasControls(text) ? text : undefined,
    ),

  /** The forms of Go's `strconv.ParseBool`. */
  bool: () => piece('must be true or false', parseBool),

  /** As `bool`, and yes and no; neither case nor blanks around it matter. */
  yesOrNo: () =>
    piece('must be true or false', (text) => {
      const word = text.trim().toLowerCase()
      return yesAndNo.get(word) ?? parseBool(word)
    }),

  integer: (options: { min: number; max: number }) =>
    piece(`must be a whole number from ${options.min} to ${options.max}`, (text) => {
      const number = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      return number >= options.min && number <= options.max ? number : undefined
    }),

  /** `:8084` or `8084`; 0 lets the system choose. */
  port: () =>
    piece('must be a port such as 8084 or :8084', (text) => {
      const port = /^:?(\d{1,5})$/.exec(text)?.[1]
      return port !== undefined && Number(port) <= 65_535 ? Number(port) : undefined
    }),

  /** Go's duration form, as seconds. */
  duration: (options: { minSeconds: number; maxSeconds: number }) =>
    piece(
      `must be a duration such as 90s or 1h30m, from ${options.minSeconds} s to ${options.maxSeconds} s`,
      (text) => {
        const seconds = parseDuration(text)
        return seconds !== undefined && seconds >= options.minSeconds && seconds <= options.maxSeconds
          ? seconds
          : undefined
      },
    ),

  oneOf: <const T extends readonly string[]>(choices: T) =>
    piece(`must be one of ${choices.join(', ')}`, (text): T[number] | undefined =>
      choices.find((choice) => choice === text),
    ),

  /** `host:port`, comma-separated; a host alone has the default port. */
  addresses: (options: { defaultPort: number }) =>
    piece('must be a comma-separated list of host:port', (text) => parseAddresses(text, options.defaultPort)),

  /** `loopback`, addresses and CIDR networks, comma-separated. */
  networks: () =>
    piece('must be a comma-separated list of addresses, CIDR networks or loopback', (text) =>
      parseNetworks(text, { confined: false }),
    ),

  /** As `networks`, but only what lies inside: loopback and private networks no wider than /16. */
  confinedNetworks: (): z.ZodType<Networks, string> =>
    piece('must be a comma-separated list of loopback and private networks no wider than /16', (text) =>
      parseNetworks(text, { confined: true }),
    ),

  gateAccept,

  /** Taken from the variable or from the file that `NAME_FILE` names. */
  secret: () => fromSource('secret', z.string().transform(createSecret)),

  /**
   * A secret with a form of its own. What `parse` throws becomes a problem worded by `explain`, which must not repeat
   * the text.
   */
  parsedSecret: <T>(parse: (text: string) => T, explain: (error: unknown) => string) =>
    fromSource('secret', parsed(parse, explain)),

  /** The PEM text of the certificates in the file that the variable names. */
  certificateFile: () =>
    fromSource(
      'file',
      parsed(
        (pem) => {
          void new X509Certificate(pem)
          return pem
        },
        () => 'must name a PEM file of certificates',
      ),
    ),

  /**
   * A file with a form of its own. What `parse` throws becomes a problem that names the file and the line which `explain`
   * tells, the first being 1; the message reads on after "line 1".
   */
  parsedFile: <T>(
    parse: (text: string) => T,
    explain: (error: unknown) => { line: number; message: string },
  ) =>
    fromSource(
      'file',
      z.string().transform((text, context): T => {
        try {
          return parse(text)
        } catch (error) {
          const { line, message } = explain(error)
          context.addIssue({ code: 'custom', message, params: { line } })
          return z.NEVER
        }
      }),
    ),

  /** The PEM text of the unencrypted private key in the file that the variable names. */
  privateKeyFile: () =>
    fromSource(
      'secret file',
      parsed(
        (pem) => {
          createPrivateKey(pem)
          return createSecret(pem)
        },
        () => 'must name a PEM file of an unencrypted private key',
      ),
    ),
}

function piece<T>(message: string, read: (text: string) => T | undefined) {
  return z.string().transform((text, context): T => {
    const value = read(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

function parsed<T>(parse: (text: string) => T, explain: (error: unknown) => string) {
  return z.string().transform((text, context): T => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: explain(error) })
      return z.NEVER
    }
  })
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
