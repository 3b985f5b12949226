import { execFile, execFileSync, spawn } from 'node:child_process'
import { chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { findExecutable } from '../find-executable.ts'
import { freePort } from '../free-port.ts'
import type { TestCertificate } from '../test-certificates.ts'
import { isListening } from '../is-listening.ts'

const run = promisify(execFile)

/** A real mail server that takes mail for ex.com from one authenticated user, and keeps what it took. */
export type EximServer = {
  starttlsPort: number
  implicitPort: number
  /** The header file of each mail in the spool, which begins with envelope and recipients. */
  spooled(): Promise<string[]>
  stop(): Promise<void>
}

/** The one user of every such server. */
export const eximUser = { user: 'otp', password: 's3cret' }

/** The Exim of this machine; installed from Debian only when CI is set. Undefined, and one line why, when there is none to use. */
export async function obtainExim(): Promise<string | undefined> {
  // It gives its privileges up by itself, and without them takes no configuration of ours.
  if (process.getuid?.() !== 0) return missing('tests do not run as root')
  const located = locateExim()
  if (located !== undefined || !process.env['CI']) return located ?? missing('none is on PATH')
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  await run('apt-get', ['update'], options).catch(() => {})
  await run('apt-get', ['install', '-y', '--no-install-recommends', 'exim4-daemon-light'], options).catch(
    () => {},
  )
  return locateExim() ?? missing('it could not be installed')
}

function missing(reason: string): undefined {
  console.warn(`tests on Exim are skipped: ${reason} (Debian: apt-get install exim4-daemon-light)`)
}

function locateExim(): string | undefined {
  return findExecutable(['exim4']) ?? findExecutable(['exim4'], ['/usr/sbin'])
}

/** Starts the daemon with a configuration, spool and ports of its own; local parts full, grey and nobody are refused. */
export async function startExim(binary: string, certificate: TestCertificate): Promise<EximServer> {
  const folder = await mkdtemp(join(tmpdir(), 'herald-exim-'))
  const [starttlsPort, implicitPort] = [await freePort(), await freePort()]
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'Debian-exim']))) as [
    number,
    number,
  ]
  const files = {
    'cert.pem': certificate.cert,
    'key.pem': certificate.key,
    'exim.conf': configuration(folder, starttlsPort, implicitPort),
  }
  await mkdir(join(folder, 'spool'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o640 })
  for (const name of ['', 'spool', 'cert.pem', 'key.pem']) await chown(join(folder, name), uid, gid)

  const config = join(folder, 'exim.conf')
  const child = spawn(binary, ['-C', config, '-bdf', '-odq'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk))
  for (const port of [starttlsPort, implicitPort]) {
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`Exim ended with ${child.exitCode}: ${errors}`)
      await delay(20)
    }
  }

  return {
    starttlsPort,
    implicitPort,
    async spooled() {
      const input = join(folder, 'spool/input')
      const names = (await readdir(input).catch(() => [])).filter((name) => name.endsWith('-H'))
      return Promise.all(names.map((name) => readFile(join(input, name), 'latin1')))
    },
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const configuration = (folder: string, starttls: number, implicit: number): string => `
primary_hostname = mail.test
spool_directory = ${folder}/spool
log_file_path = ${folder}/spool/%slog
pid_file_path = ${folder}/spool/pid
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${starttls} : ${implicit}
tls_on_connect_ports = ${implicit}
tls_advertise_hosts = *
tls_certificate = ${folder}/cert.pem
tls_privatekey = ${folder}/key.pem
auth_advertise_hosts = \${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 50
smtp_accept_max_per_connection = 1000
begin acl
rcpt:
  deny !authenticated = *
       message = 5.7.0 Authentication required
  deny local_parts = full
       message = 5.2.2 Mailbox full
  deny local_parts = nobody
       message = 5.1.1 No such user
  defer local_parts = grey
       message = 4.2.0 Greylisted, try again later
  deny domains = !ex.com
       message = relay not permitted
  accept
data:
  deny condition = \${if match{$h_subject:}{spam}}
       message = 5.7.1 Looks like spam
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = \${if and{{eq{$auth2}{${eximUser.user}}}{eq{$auth3}{${eximUser.password}}}}}
  server_set_id = $auth2
`
