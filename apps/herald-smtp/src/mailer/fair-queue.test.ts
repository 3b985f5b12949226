import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createFairQueue } from './fair-queue.ts'

const drain = <T>(queue: { shift(): T | undefined }): T[] => {
  const items: T[] = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item)
  return items
}

describe('a fair queue', () => {
  it('serves lanes in turn, and each lane in order', () => {
    const queue = createFairQueue<string>({ sizeMax: 10 })
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.push(item.charAt(0), item)
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('sends the last of the longest lane away when it is full, so that nobody can fill it alone', () => {
    const queue = createFairQueue<string>({ sizeMax: 3 })
    for (const item of ['a1', 'a2', 'a3']) expect(queue.push('a', item)).toBeUndefined()
    expect(queue.push('b', 'b1')).toBe('a3')
    expect(queue.push('b', 'b2')).toBe('b2')
    expect(queue.push('a', 'a4')).toBe('a4')
    expect(drain(queue)).toEqual(['a1', 'b1', 'a2'])
  })

  it('takes nothing when it may hold nothing', () => {
    const queue = createFairQueue<string>({ sizeMax: 0 })
    expect(queue.push('a', 'a1')).toBe('a1')
  })

  it('loses and doubles nothing, whatever comes and goes', () => {
    const lane = fc.constantFrom('a', 'b', 'c')
    const step = fc.oneof(lane, fc.constant('shift'), fc.constant('remove'))
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 0, max: 5 }), (steps, sizeMax) => {
        const queue = createFairQueue<string>({ sizeMax })
        const inside = new Set<string>()
        steps.forEach((step, n) => {
          if (step === 'shift') {
            const item = queue.shift()
            expect(item === undefined ? inside.size === 0 : inside.delete(item)).toBe(true)
          } else if (step === 'remove') {
            const [item] = inside
            if (item !== undefined) queue.remove(item.charAt(0), item)
            if (item !== undefined) inside.delete(item)
          } else {
            inside.add(`${step}${n}`)
            const displaced = queue.push(step, `${step}${n}`)
            if (displaced !== undefined) expect(inside.delete(displaced)).toBe(true)
          }
          expect(queue.size()).toBe(inside.size)
          expect(queue.size()).toBeLessThanOrEqual(sizeMax)
        })
        expect(drain(queue).toSorted()).toEqual([...inside].toSorted())
      }),
    )
  })
})
