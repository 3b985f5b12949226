import { generate } from 'selfsigned'

/** A key pair in PEM. */
export type TestCertificate = { key: string; cert: string }

/** Certificates for localhost and 127.0.0.1 and what can be wrong with one; `ca` signed all but `unknownAuthority`. */
export type TestCertificates = {
  ca: string
  valid: TestCertificate
  wrongName: TestCertificate
  expired: TestCertificate
  unknownAuthority: TestCertificate
}

const dayMs = 86_400_000
const curve = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

async function createAuthority(name: string): Promise<TestCertificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    ...curve,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return { key, cert }
}

async function issue(
  ca: TestCertificate,
  host: string,
  validity: { notBeforeDate?: Date; notAfterDate?: Date } = {},
): Promise<TestCertificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: host }], {
    ...curve,
    ...validity,
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames:
          host === 'localhost'
            ? [
                { type: 2, value: host },
                { type: 7, ip: '127.0.0.1' },
              ]
            : [{ type: 2, value: host }],
      },
    ],
  })
  return { key, cert }
}

/** Makes a throw-away authority and one certificate of each kind; keys are P-256, so this takes milliseconds. */
export async function createTestCertificates(): Promise<TestCertificates> {
  const [ca, stranger] = await Promise.all([createAuthority('Test CA'), createAuthority('Unknown CA')])
  const past = { notBeforeDate: new Date(Date.now() - 3 * dayMs), notAfterDate: new Date(Date.now() - dayMs) }
  const [valid, wrongName, expired, unknownAuthority] = await Promise.all([
    issue(ca, 'localhost'),
    issue(ca, 'relay.example'),
    issue(ca, 'localhost', past),
    issue(stranger, 'localhost'),
  ])
  return { ca: ca.cert, valid, wrongName, expired, unknownAuthority }
}
