import { PNG } from 'pngjs'
import { encode, renderSVG } from 'uqr'

/** Image forms `enroll/start` can draw the key URI in. */
export type QrForm = 'svg' | 'png'

const options = { ecc: 'M', border: 4 } as const
const pixelsPerModule = 6

/** The text as a QR code in a data URI, which a page can use as the source of an image. */
export function drawQr(text: string, form: QrForm): string {
  if (form === 'svg')
    return `data:image/svg+xml;base64,${Buffer.from(renderSVG(text, options)).toString('base64')}`
  return `data:image/png;base64,${drawPng(text).toString('base64')}`
}

function drawPng(text: string): Buffer {
  const { data: modules, size } = encode(text, options)
  const side = size * pixelsPerModule
  const pixels = Buffer.alloc(side * side, 0xff)
  for (let y = 0; y < side; y += 1) {
    const row = modules[Math.floor(y / pixelsPerModule)]
    for (let x = 0; x < side; x += 1) if (row?.[Math.floor(x / pixelsPerModule)]) pixels[y * side + x] = 0
  }
  const image = new PNG({ width: side, height: side })
  image.data = pixels
  return PNG.sync.write(image, { colorType: 0, inputColorType: 0, inputHasAlpha: false, bitDepth: 8 })
}
