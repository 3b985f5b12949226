import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { admissionLimits, createAdmission } from './admission.ts'
import { createConnections } from './connections.ts'

function peer(remotePort: number) {
  let isDestroyed = false
  const destroy = () => void (isDestroyed = true)
  const socket = Object.assign(new EventEmitter(), { remoteAddress: '127.0.0.1', remotePort, destroy })
  return { socket: socket as unknown as Socket, isDestroyed: () => isDestroyed }
}

it.each(['endIdle', 'destroyAll'] as const)(
  'does not lose sight of a connection when one before it from the same port closes late: %s',
  (method) => {
    const connections = createConnections({
      admission: createAdmission({ ...admissionLimits, bodyBytesMax: 0, registry: new Registry() }),
      carryOut: async () => {},
      refuse: () => {},
    })
    const [before, after] = [peer(40_000), peer(40_000)]
    connections.accepted(before.socket)
    connections.accepted(after.socket)
    before.socket.emit('close')
    connections[method]()
    expect(after.isDestroyed()).toBe(true)
  },
)
