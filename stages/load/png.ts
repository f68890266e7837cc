import { crc32, inflateSync } from 'node:zlib'
import type { DecodedPng } from 'fast-png'

/** The colours of an image: `[height, width, 3]`, red, green and blue as bytes. */
export interface Rgb {
  /** Pixels in a row. */
  readonly width: number
  /** Number of rows. */
  readonly height: number
  /** The bytes, row by row. */
  readonly data: Uint8Array
}

/** The first bytes of every PNG file. */
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** The most pixels of an image, so that a small file cannot ask for all memory. */
export const MOST_PIXELS = 1 << 25

/** The chunks that tell the pixels, beside those of the pixels. Others (texts, times, colour profiles) are left out. */
const NEEDED = new Set(['IHDR', 'PLTE', 'tRNS'])

/** Samples per pixel of each colour type. */
const SAMPLES = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
])

/** The passes of an interlaced image (Adam7): where each begins, and its steps. */
const PASSES: readonly (readonly [x: number, y: number, dx: number, dy: number])[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
]

/** Bytes after the pixels that are not minded. */
const SLACK = 1024

/** The most bytes of a block that is not packed. */
const MOST_STORED = 0xffff

/** Whether a file that begins with these bytes is a PNG file. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.equals(bytes.subarray(0, SIGNATURE.length))
}

/** Decodes a PNG image. Throws an Error if it is damaged in any way, checksums included. */
export type PngDecoder = (bytes: Uint8Array) => Rgb

/**
 * Loads the decoder of PNG images of any colour type (W3C, Portable Network Graphics, 3rd edition): palettes and gray become colours,
 * 16 bits become 8, what is transparent is laid on black.
 */
export async function openPngDecoder(): Promise<PngDecoder> {
  const { decode } = await import('fast-png')
  return (bytes) => rgbOf(decode(checkedChunks(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))))
}

/**
 * Returns the file with the chunks that tell the pixels alone, after a check of each, and with pixels that are not packed. The
 * decoder has no limits of its own: a chunk of a few bytes may unpack to gigabytes. And it unpacks six times slower than zlib.
 */
function checkedChunks(file: Buffer): Buffer {
  const kept: Buffer[] = [SIGNATURE]
  const data: Buffer[] = []
  let needed = 0
  for (let at = SIGNATURE.length, type = ''; type !== 'IEND'; ) {
    if (at + 12 > file.length) throw new Error('it is cut off')
    const length = file.readUInt32BE(at)
    const end = at + 12 + length
    if (end > file.length) throw new Error('it is cut off')
    type = file.toString('latin1', at + 4, at + 8)
    if (crc32(file.subarray(at + 4, end - 4)) !== file.readUInt32BE(end - 4))
      throw new Error(`the checksum of its part ${JSON.stringify(type)} is wrong`)
    if (needed === 0) needed = pixelBytes(type, file.subarray(at + 8, end - 4))
    else if (type === 'IHDR') throw new Error('it has two headers')
    if (type === 'IDAT') data.push(file.subarray(at + 8, end - 4))
    if (NEEDED.has(type)) kept.push(file.subarray(at, end))
    at = end
  }
  let pixels: Buffer
  try {
    pixels = inflateSync(Buffer.concat(data), { maxOutputLength: needed + SLACK })
  } catch {
    throw new Error('its pixels are damaged')
  }
  if (pixels.length < needed) throw new Error('some of its pixels are missing')
  return Buffer.concat([...kept, ...chunk('IDAT', ...stored(pixels)), ...chunk('IEND')])
}

/** A chunk of a PNG file. The decoder does not compare the checksum. */
function chunk(type: string, ...data: Buffer[]): Buffer[] {
  const head = Buffer.from(`....${type}`, 'latin1')
  head.writeUInt32BE(data.reduce((sum, { length }) => sum + length, 0))
  return [head, ...data, Buffer.alloc(4)]
}

/** Bytes as zlib's data in blocks that are not packed (RFC 1950, 1951). The decoder does not compare the checksum. */
function stored(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [Buffer.of(0x78, 0x01)]
  for (let at = 0; at < bytes.length; at += MOST_STORED) {
    const block = bytes.subarray(at, at + MOST_STORED)
    const head = Buffer.of(at + block.length === bytes.length ? 1 : 0, 0, 0, 0, 0)
    head.writeUInt16LE(block.length, 1)
    head.writeUInt16LE(MOST_STORED - block.length, 3)
    parts.push(head, block)
  }
  return [...parts, Buffer.alloc(4)]
}

/** The bytes that the pixels unpack to, by the header: those of each row, and one that says how it is filtered. */
function pixelBytes(type: string, header: Buffer): number {
  if (type !== 'IHDR' || header.length !== 13) throw new Error('it has no header')
  const [width, height, samples] = [header.readUInt32BE(0), header.readUInt32BE(4), SAMPLES.get(header[9]!)]
  if (width === 0 || height === 0) throw new Error('it has no pixels')
  if (width * height > MOST_PIXELS) throw new Error(`it has ${width} × ${height} pixels, ${MOST_PIXELS} are the most`)
  if (![1, 2, 4, 8, 16].includes(header[8]!)) throw new Error(`it has samples of ${header[8]} bits`)
  if (samples === undefined) throw new Error(`it has the unknown colour type ${header[9]}`)
  const bytes = (columns: number, rows: number) =>
    columns === 0 ? 0 : rows * (1 + Math.ceil((columns * samples * header[8]!) / 8))
  if (header[12] === 0) return bytes(width, height)
  return PASSES.reduce(
    (sum, [x, y, dx, dy]) => sum + bytes(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
    0,
  )
}

function rgbOf({ width, height, data, depth, channels, palette, transparency }: DecodedPng): Rgb {
  const pixels = width * height
  const samples = depth < 8 ? unpacked(data, width * channels, height, depth) : data
  if (samples.length !== pixels * channels) throw new Error('its pixels are damaged')
  if (channels === 3 && samples instanceof Uint8Array && !transparency) return { width, height, data: samples }
  const rgb = new Uint8Array(3 * pixels)
  if (palette) {
    for (let i = 0; i < pixels; i++) {
      const color = palette[samples[i]!]
      if (!color) throw new Error('a colour is missing in its palette')
      const alpha = color[3] ?? 255
      for (let c = 0; c < 3; c++) rgb[3 * i + c] = onBlack(color[c]!, alpha)
    }
    return { width, height, data: rgb }
  }
  // The factor makes gray of few bits as bright as that of 8, the shift takes 16 bits to 8.
  const factor = depth < 8 ? 255 / ((1 << depth) - 1) : 1
  const shift = depth === 16 ? 8 : 0
  const isGray = channels < 3
  const hasAlpha = channels === 2 || channels === 4
  for (let i = 0; i < pixels; i++) {
    const at = i * channels
    const alpha = hasAlpha
      ? samples[at + channels - 1]! >> shift
      : isHidden(samples, at, isGray ? 1 : 3, transparency)
        ? 0
        : 255
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = onBlack((samples[isGray ? at : at + c]! >> shift) * factor, alpha)
  }
  return { width, height, data: rgb }
}

function onBlack(value: number, alpha: number): number {
  return alpha === 255 ? value : Math.round((value * alpha) / 255)
}

/** Whether a pixel has the one colour that stands for full transparency. */
function isHidden(samples: ArrayLike<number>, at: number, count: number, color: Uint16Array | undefined): boolean {
  if (!color || color.length < count) return false
  for (let c = 0; c < count; c++) if (samples[at + c] !== color[c]) return false
  return true
}

/** The samples of fewer than 8 bits; each row begins with a new byte. */
function unpacked(data: ArrayLike<number>, perRow: number, rows: number, depth: number): Uint8Array {
  const samples = new Uint8Array(perRow * rows)
  const rowBytes = Math.ceil((perRow * depth) / 8)
  const mask = (1 << depth) - 1
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < perRow; i++) {
      const bit = i * depth
      samples[row * perRow + i] = (data[row * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask
    }
  return samples
}
