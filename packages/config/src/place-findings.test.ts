import { describe, expect, it } from 'vitest'
import { placeFindings } from './place-findings.ts'

const finding = { variable: 'REDIS_SENTINELS', message: 'm', remedy: 'r' }
const open = { ...finding, code: 'REDIS_NOAUTH' } as const
const plain = { ...finding, code: 'REDIS_PLAINTEXT' } as const

describe('placeFindings', () => {
  it('takes the farthest of the servers that a finding is about', async () => {
    const hosts = ['127.0.0.1', '10.0.0.1']
    expect(await placeFindings([{ ...open, hosts }])).toEqual([{ ...open, reach: 'private' }])
    expect(await placeFindings([{ ...open, hosts: [...hosts, '8.8.8.8'] }])).toEqual([
      { ...open, reach: 'public' },
    ])
  })

  it('leaves what is about no server as it is', async () => {
    expect(await placeFindings([open])).toEqual([open])
  })

  it('tells of servers without TLS that others named, where they are in public', async () => {
    expect(await placeFindings([{ ...plain, hosts: ['10.0.0.1', '127.0.0.1'] }])).toEqual([])
    expect(await placeFindings([{ ...plain, hosts: ['8.8.8.8'] }])).toEqual([{ ...plain, reach: 'public' }])
  })
})
