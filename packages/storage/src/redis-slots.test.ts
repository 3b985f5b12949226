import { describe, expect, it } from 'vitest'
import { readRedirection, readSlots, slotCount, slotOf, tagOf } from './redis-slots.ts'

describe('slotOf', () => {
  it.each([
    ['123456789', 12_739],
    ['', 0],
    ['foo', 12_182],
    ['{foo}:x', 12_182],
    ['x{foo}y{z}', 12_182],
    ['{}foo', 9500],
    ['{foo', 13_308],
    ['{{foo}}', slotOf('{foo')],
  ])('is where Redis puts %j', (key, slot) => {
    expect(slotOf(key)).toBe(slot)
  })
})

describe('tagOf', () => {
  it('names every slot, each by another tag', () => {
    const tags = Array.from({ length: slotCount }, (_, slot) => tagOf(slot))
    expect(tags.map((tag) => slotOf(`x:{${tag}}:y`))).toEqual([...tags.keys()])
    expect(new Set(tags).size).toBe(slotCount)
  })
})

describe('readRedirection', () => {
  const to = (host: string, port = 7001) => ({ address: { host, port } })

  it.each([
    ['MOVED 7 10.0.0.1:7001', { kind: 'moved', ...to('10.0.0.1') }],
    ['ASK 7 node.internal:7001', { kind: 'ask', ...to('node.internal') }],
    ['MOVED 7 fd00::1:7001', { kind: 'moved', ...to('fd00::1') }],
    ['MOVED 7 :7001', { kind: 'moved', ...to('asked') }],
    ['TRYAGAIN Multiple keys request during rehashing of slot', { kind: 'again' }],
    ['MOVED 8 10.0.0.1:7001', undefined],
    ['MOVED 7 10.0.0.1', undefined],
    ['CLUSTERDOWN The cluster is down', undefined],
    ['Connection is closed.', undefined],
    ['ERR MOVED 7 10.0.0.1:7001', undefined],
  ])('takes %j for %j', (message, expected) => {
    expect(readRedirection(new Error(message), 7, 'asked')).toEqual(expected)
  })
})

describe('readSlots', () => {
  it('knows the master of each slot, and a node without a name by the one it was asked under', () => {
    const masters = readSlots(
      [
        [0, 1, ['a', 1, 'id', []], ['replica', 2, 'id', []]],
        [3, 3, [null, 3, 'id']],
        [4, 4, ['', 4, 'id']],
        [5, 5, ['?', 5, 'id']],
      ],
      'asked',
    )
    const asked = (port: number) => ({ host: 'asked', port })
    const a = { host: 'a', port: 1 }
    expect(masters).toEqual([a, a, undefined, asked(3), asked(4), asked(5)])
  })
})
