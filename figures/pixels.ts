/** An image. */
export interface Pixels {
  /** Width in pixels. */
  readonly width: number
  /** Height in pixels. */
  readonly height: number
  /** 1: grey; 3: red, green, blue. */
  readonly channels: 1 | 3
  /** Values from 0 to 255, `[height, width, channels]`, rows from the top. */
  readonly data: Uint8Array
}

/** How the values of an example that is an image are arranged. */
export interface ImageLayout {
  /** Width in pixels. */
  readonly width: number
  /** Height in pixels. */
  readonly height: number
  /** 1: grey; 3: red, green, blue. */
  readonly channels: 1 | 3
  /** The distance in values between two channels, two rows, and two columns. */
  readonly strides: readonly [channel: number, row: number, column: number]
}

/**
 * The layout of an image of this shape: `[height, width]`, or with one or three channels `[channels, height, width]` or
 * `[height, width, channels]`. Returns undefined for other shapes, and for images of one pixel in height or width.
 */
export function imageLayout(shape: readonly number[]): ImageLayout | undefined {
  const [a = 0, b = 0, c = 0] = shape
  if (shape.length === 2) return layoutOf(a, b, 1, [0, b, 1])
  if (shape.length !== 3) return undefined
  if (a === 1 || a === 3) return layoutOf(b, c, a, [b * c, c, 1])
  if (c === 1 || c === 3) return layoutOf(a, b, c, [1, b * c, c])
  return undefined
}

function layoutOf(
  height: number,
  width: number,
  channels: 1 | 3,
  strides: ImageLayout['strides'],
): ImageLayout | undefined {
  return height > 1 && width > 1 ? { width, height, channels, strides } : undefined
}

/**
 * Turns values into an image: `[low, high]` becomes `[0, 255]`, and values outside are clipped. NaN becomes middle
 * grey, and so does everything if `low` equals `high`.
 *
 * @param offset the index of the first value
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

/** The smallest and the largest finite value among `count` values from index `offset` on; both 0 if there is none. */
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
 * Encodes an image as a PNG file. The compression is JavaScript, because that of Node gives different bytes on different
 * processors.
 */
export async function pngOfPixels({ width, height, channels, data }: Pixels): Promise<Uint8Array> {
  const { encode } = await import('fast-png')
  return encode({ width, height, channels, depth: 8, data })
}

/** Encodes an image as a PNG file in a data URL. */
export async function dataUrl(image: Pixels): Promise<string> {
  return `data:image/png;base64,${Buffer.from(await pngOfPixels(image)).toString('base64')}`
}
