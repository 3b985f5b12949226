import { describe, expect, it } from 'vitest'
import { crowd, overload } from './overload.ts'

describe('5,000 verifies at once while Redis hangs', () => {
  it('stay within the memory of a small container, and cost no connection', async () => {
    const { first, second, afterwards, ...seen } = await overload({ width: 5000 })
    const { open, peakMebibytes, recovered, livez } = seen
    console.log(JSON.stringify({ shed: first.shed.length, open, peakMebibytes, recovered }))
    expect(first.statuses).toEqual({ 503: 5000 })
    expect(first.shed.length).toBeGreaterThan(1000)
    expect(second.statuses).toEqual({ 503: 5000 })
    expect(afterwards.statuses).toEqual({ 401: 200 })
    expect(livez).toBe(200)
    expect(open).toBe(5000)
    expect(peakMebibytes).toBeLessThan(256)
    expect(recovered).toBeLessThan(1500)
  })
})

describe('more connections than there is room for', () => {
  it('end at once, the others being served, and are taken again when others have gone', async () => {
    const { open, served, servedAfterwards, peakMebibytes } = await crowd(9_000)
    console.log(JSON.stringify({ open, peakMebibytes }))
    expect(open).toBe(8192)
    expect(served).toBe(200)
    expect(servedAfterwards).toBe(200)
    expect(peakMebibytes).toBeLessThan(256)
  })
})
