// The image's health check: asks its own service and leaves with 0 (it answered well) or 1. `healthcheck.js /readyz` asks
// whether it can work, without an argument whether it lives. There is no shell and no curl in the image.
import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'
import { connect } from 'node:net'

const path = process.argv[2] ?? '/livez'
const port = Number(/\d+$/.exec(process.env.PORT ?? '')?.[0])
const host = ['0.0.0.0', '::', ''].includes(process.env.HOST ?? '') ? '127.0.0.1' : process.env.HOST

const leave = (healthy) => process.exit(healthy ? 0 : 1)
const fail = () => leave(false)
setTimeout(fail, 2500)

if (process.env.TLS_CLIENT_CA_FILE) {
  // Only callers with a certificate get an answer then; an open port is all that can be seen from here.
  connect({ host, port }, () => leave(true)).on('error', fail)
} else {
  const get = process.env.TLS_CERT_FILE ? getSecure : getPlain
  // The certificate names the service, not this loopback address: nothing is sent, so nothing can be betrayed.
  get({ host, port, path, rejectUnauthorized: false }, (answer) => leave(answer.statusCode === 200)).on(
    'error',
    fail,
  )
}
