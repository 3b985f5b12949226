import { PNG } from 'pngjs'
import { encode } from 'uqr'
import { describe, expect, it } from 'vitest'
import { drawQr } from './qr.ts'

const text =
  'otpauth://totp/Herald:alice?algorithm=SHA1&digits=6&issuer=Herald&period=30&secret=GEZDGNBVGY3TQOJQ'
const bytesOf = (uri: string) => Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64')

describe('drawQr', () => {
  it('draws an SVG as a data URI', () => {
    const uri = drawQr(text, 'svg')
    expect(uri).toMatch(/^data:image\/svg\+xml;base64,/)
    expect(bytesOf(uri).toString('utf8')).toMatch(/^<svg [^>]*>.*<\/svg>$/s)
  })

  it('draws a PNG whose modules are those of the code, with a quiet zone of four', () => {
    const uri = drawQr(text, 'png')
    expect(uri).toMatch(/^data:image\/png;base64,/)
    const image = PNG.sync.read(bytesOf(uri))
    const { data: modules, size } = encode(text, { ecc: 'M', border: 4 })
    const scale = image.width / size
    const drawn = modules.map((row, y) =>
      row.map((_dark, x) => image.data[((y * scale + 1) * image.width + x * scale + 1) * 4] === 0),
    )
    expect(drawn).toEqual(modules)
    expect(modules.slice(0, 4).flat()).not.toContain(true)
  })

  it('holds the longest key URI there can be', () => {
    expect(drawQr(`otpauth://totp/${'%F0%9F%94%91'.repeat(64)}`, 'png')).toMatch(/^data:image\/png/)
  })
})
