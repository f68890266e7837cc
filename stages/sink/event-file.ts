/*
 * The event files of TensorBoard: records of TFRecord, with messages of `event.proto` and `summary.proto` in them. Each
 * record is its length (u64), the masked checksum of that, the message, and the masked checksum of it. The checksum is
 * CRC-32C (Castagnoli).
 */

const table = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  table[byte] = crc
}

/** The checksum of a record, with the rotation and the constant of TFRecord. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** One thing to show at one step. */
export type Summary =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly histogram: Histogram }
  | { readonly tag: string; readonly image: Image }

/** A PNG. */
export interface Image {
  /** Width in pixels. */
  readonly width: number
  /** Height in pixels. */
  readonly height: number
  /** 1: grey; 3: red, green, blue. */
  readonly channels: number
  /** The content of the file. */
  readonly png: Uint8Array
}

/** How many values lie where. */
export interface Histogram {
  /** The least and the greatest value. */
  readonly range: readonly [least: number, greatest: number]
  /** Sum of the values, and of their squares. */
  readonly sums: readonly [sum: number, squares: number]
  /** The upper ends of the buckets, ascending. */
  readonly limits: readonly number[]
  /** The number of values in each bucket. */
  readonly counts: readonly number[]
}

/** Number of buckets, as TensorBoard draws them. */
const BUCKETS = 30

/** Counts values in buckets of equal width. Values that are not finite are left out; undefined if none is finite. */
export function histogramOf(values: ArrayLike<number>): Histogram | undefined {
  let [least, greatest, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) continue
    least = Math.min(least, value)
    greatest = Math.max(greatest, value)
    sum += value
    squares += value * value
  }
  if (least > greatest) return undefined
  const width = (greatest - least) / BUCKETS || 1
  const counts = new Array<number>(BUCKETS).fill(0)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (Number.isFinite(value)) counts[Math.min(BUCKETS - 1, Math.floor((value - least) / width))]!++
  }
  const limits = counts.map((_, i) => least + (i + 1) * width)
  return { range: [least, greatest], sums: [sum, squares], limits, counts }
}

/** The first record of every event file. */
export function versionRecord(): Uint8Array {
  return record([double(1, 0), bytes(3, Buffer.from('brain.Event:2'))])
}

/** The record with everything that is to be shown at one step. `wallTime` is in seconds. */
export function summaryRecord(step: number, wallTime: number, summaries: readonly Summary[]): Uint8Array {
  const values = summaries.map((summary) => bytes(1, message([bytes(1, Buffer.from(summary.tag)), contentOf(summary)])))
  return record([double(1, wallTime), varint(2, step), bytes(5, message(values))])
}

function contentOf(summary: Summary): Uint8Array {
  if ('scalar' in summary) return float(2, summary.scalar)
  if ('image' in summary) {
    const { width, height, channels, png } = summary.image
    return bytes(4, message([varint(1, height), varint(2, width), varint(3, channels), bytes(4, png)]))
  }
  const { range, sums, limits, counts } = summary.histogram
  const number = counts.reduce((sum, count) => sum + count, 0)
  const scalars = [...range, number, ...sums].map((value, i) => double(i + 1, value))
  return bytes(5, message([...scalars, doubles(6, limits), doubles(7, counts)]))
}

function record(fields: readonly Uint8Array[]): Uint8Array {
  const content = message(fields)
  const head = Buffer.alloc(12)
  head.writeBigUInt64LE(BigInt(content.length))
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(maskedCrc(content))
  return message([head, content, tail])
}

function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields)
}

function varint(field: number, value: number): Uint8Array {
  return Buffer.from([...varintBytes(field << 3), ...varintBytes(value)])
}

function double(field: number, value: number): Uint8Array {
  const content = Buffer.alloc(9, (field << 3) | 1)
  content.writeDoubleLE(value, 1)
  return content
}

function float(field: number, value: number): Uint8Array {
  const content = Buffer.alloc(5, (field << 3) | 5)
  content.writeFloatLE(value, 1)
  return content
}

function doubles(field: number, values: readonly number[]): Uint8Array {
  return bytes(field, new Uint8Array(Float64Array.from(values).buffer))
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([...varintBytes((field << 3) | 2), ...varintBytes(content.length)]), content])
}

function varintBytes(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  return [...out, rest]
}
