/** An image: rows from the top, channels interleaved, 0 … 255. */
export interface Pixels {
  readonly width: number
  readonly height: number
  /** 1: grey, 3: red, green, blue. */
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

/** How the values of one example lie in memory, where they are an image. */
export interface ImageLayout {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  /** Distance between neighbours: in channels, rows and columns. */
  readonly strides: readonly [channel: number, row: number, column: number]
}

/**
 * Reads a shape as that of an image: `[height, width]`, channels first `[3, height, width]` or last
 * `[height, width, 3]`, with one or three channels. Other shapes are no images, nor are those one pixel high or wide.
 */
export function imageLayout(shape: readonly number[]): ImageLayout | undefined {
  const [a = 0, b = 0, c = 0] = shape
  if (shape.length === 2) return sized(a, b, 1, [0, b, 1])
  if (shape.length !== 3) return undefined
  if (a === 1 || a === 3) return sized(b, c, a, [b * c, c, 1])
  if (c === 1 || c === 3) return sized(a, b, c, [1, b * c, c])
  return undefined
}

function sized(
  height: number,
  width: number,
  channels: 1 | 3,
  strides: ImageLayout['strides'],
): ImageLayout | undefined {
  return height > 1 && width > 1 ? { width, height, channels, strides } : undefined
}

/**
 * The image of the values from `offset` on, with `[low, high]` stretched to `[0, 255]`. Values outside are cut off; what
 * is no number, and everything where `low` is `high`, becomes middle grey.
 */
export function pixelsOf(
  values: ArrayLike<number>,
  { width, height, channels, strides }: ImageLayout,
  [low, high]: readonly [low: number, high: number],
  offset = 0,
): Pixels {
  const data = new Uint8Array(width * height * channels)
  const [channel, row, column] = strides
  let at = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        const share = (values[offset + c * channel + y * row + x * column]! - low) / (high - low)
        data[at++] = Math.round(255 * Math.min(1, Math.max(0, Number.isNaN(share) ? 0.5 : share)))
      }
  return { width, height, channels, data }
}

/** The smallest and largest finite value of `count` values from `offset` on; both 0 where there is none. */
export function rangeOf(values: ArrayLike<number>, offset = 0, count = values.length - offset): [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (let i = offset; i < offset + count; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 0]
}

/**
 * The pixels as a PNG file in a data URL. The compression is JavaScript: that of Node gives other bytes on other
 * processors.
 */
export async function dataUrl({ width, height, channels, data }: Pixels): Promise<string> {
  const { encode } = await import('fast-png')
  const png = encode({ width, height, channels, depth: 8, data })
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`
}
