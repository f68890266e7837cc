import type { Rgb } from './png.js'

/** The pixels that make one pixel of the result along an axis: the first of them, and their weights, which add up to 1. */
interface Taps {
  readonly first: number
  readonly weights: Float64Array
}

/**
 * Resizes an image to a width and height of its own choice, without regard to its proportions. The filter is a triangle,
 * as wide as two pixels of the coarser of both images, so that no pixel is skipped (as `bilinear` of Pillow). It is exact
 * in float64 up to the rounding at the end, so the result is the same on every machine.
 */
export function resized({ width, height, data }: Rgb, toHeight: number, toWidth: number): Rgb {
  if (width === toWidth && height === toHeight) return { width, height, data }
  const across = tapsOf(width, toWidth)
  const rows = new Float64Array(height * toWidth * 3)
  for (let y = 0; y < height; y++)
    for (const [x, { first, weights }] of across.entries())
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (let i = 0; i < weights.length; i++) sum += weights[i]! * data[(y * width + first + i) * 3 + c]!
        rows[(y * toWidth + x) * 3 + c] = sum
      }
  const result = new Uint8Array(toHeight * toWidth * 3)
  const perRow = toWidth * 3
  for (const [y, { first, weights }] of tapsOf(height, toHeight).entries())
    for (let x = 0; x < perRow; x++) {
      let sum = 0
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * rows[(first + i) * perRow + x]!
      result[y * perRow + x] = Math.round(sum)
    }
  return { width: toWidth, height: toHeight, data: result }
}

function tapsOf(from: number, to: number): Taps[] {
  const scale = from / to
  const reach = Math.max(1, scale)
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale
    const first = Math.max(0, Math.floor(center - reach))
    const last = Math.min(from, Math.ceil(center + reach))
    const weights = Float64Array.from({ length: last - first }, (_, j) =>
      Math.max(0, 1 - Math.abs(first + j + 0.5 - center) / reach),
    )
    const sum = weights.reduce((a, b) => a + b, 0)
    return { first, weights: weights.map((weight) => weight / sum) }
  })
}

/** Writes an image as features, `[channels, height, width]`: three planes of colours, or one of gray (ITU-R BT.601). */
export function writePlanes({ width, height, data }: Rgb, channels: number, to: Uint8Array): void {
  const pixels = width * height
  for (let i = 0; i < pixels; i++) {
    const [red, green, blue] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!]
    if (channels === 1) to[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue)
    else {
      to[i] = red
      to[pixels + i] = green
      to[2 * pixels + i] = blue
    }
  }
}
