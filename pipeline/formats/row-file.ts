import { closeSync, constants, openSync, read as readFile, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { PipelineError } from '../base/errors.js'
import { copyPerRow, type ExampleRows, newPerRow, type PerRowName } from '../wires/per-row.js'
import type { RowSource } from '../wires/unread.js'

/** Where the columns of a record batch begin in the file. */
export interface RowFileBlock {
  /** The first byte of its features. */
  readonly values: number
  /** The first byte of its labels. */
  readonly labels: number
  /** The first byte of the numbers of its rows, if there are any. */
  readonly row?: number | undefined
  /** The first byte of the weights of its rows, if there are any. */
  readonly weight?: number | undefined
  /** Where its bytes end in the file. They begin where those of the batch before end; the first ones begin at 0. */
  readonly end: number
  /** The checksum of all its bytes (crc32). */
  readonly crc: number
}

/** A file with the rows of a split, as `RowFileWriter` makes it. */
export interface RowFile {
  /** The split. */
  readonly name: string
  /** Its name. */
  readonly file: string
  /** Its size. */
  readonly bytes: number
  /** Number of rows. */
  readonly rows: number
  /** Numbers of each row. */
  readonly width: number
  /** The type of these numbers. */
  readonly type: 'uint8' | 'float32'
  /** The further columns of the rows. */
  readonly perRow: readonly PerRowName[]
  /** Number of rows of each class. */
  readonly counts: readonly number[]
  /** Rows of each record batch but the last. */
  readonly perBlock: number
  /** The record batches, in the order of the file. */
  readonly blocks: readonly RowFileBlock[]
  /** The checksum of what is behind the last batch (crc32). */
  readonly crc: number
}

const readAsync = promisify(readFile)

/** One reading: bytes of the file, and where they go. */
type Span = readonly [to: Uint8Array, at: number]

/** The most bytes between two rows that are read with them when rows are picked: more take longer than another reading. */
const GAP = 16384

/** Bytes that are read at once when rows are picked. */
const MOST_PICKED = 1 << 16

/** Milliseconds after which other work gets a turn while rows are picked. */
const TURN = 5

/**
 * Opens the rows of a file. It is open until `signal` aborts: at the end of the run.
 *
 * @param file what was written there
 * @param descriptor the open file, if its name is gone
 */
export function openRowFile(
  path: string,
  file: RowFile,
  signal: AbortSignal,
  descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)),
): RowSource {
  const { rows, width, type, perRow, counts, perBlock, blocks } = file
  signal.addEventListener('abort', () => closeSync(descriptor), { once: true })
  const size = type === 'uint8' ? 1 : 4
  const shorter = (): PipelineError => new PipelineError('DATA', `${path} became shorter while it was read; run again`)

  function roomFor(count: number, space?: ArrayBufferLike): ExampleRows {
    const length = count * width
    const isEnough = space && space.byteLength >= length * size
    // All of it is read, so it need not be zero before.
    const buffer = isEnough ? space : Buffer.allocUnsafeSlow(length * size).buffer
    const values = type === 'uint8' ? new Uint8Array(buffer, 0, length) : new Float32Array(buffer, 0, length)
    return { values, labels: new Int32Array(count), ...newPerRow(count, perRow) }
  }

  /** Where the rows `from … to - 1` lie, as rows of `to` from `first` on. Without features if `to` has none. */
  function spansOf(from: number, to: number, target: Partial<ExampleRows>, first = 0): Span[] {
    const spans: Span[] = []
    for (let at = from; at < to; ) {
      const index = Math.floor(at / perBlock)
      const block = blocks[index]!
      const end = Math.min((index + 1) * perBlock, to)
      const add = (array: ExampleRows['values'] | Int32Array | undefined, begin: number, each: number): void => {
        if (!array) return
        const place = array.byteOffset + (first + at - from) * each
        spans.push([new Uint8Array(array.buffer, place, (end - at) * each), begin + (at % perBlock) * each])
      }
      add(target.values, block.values, width * size)
      add(target.labels, block.labels, 4)
      add(target.row, block.row!, 4)
      add(target.weight, block.weight!, 4)
      at = end
    }
    return spans
  }

  async function read(spans: readonly Span[]): Promise<void> {
    // All at once: one after the other, each would wait for a turn of the event loop, which comes seldom in training.
    const all = spans.map(async ([bytes, at]) => {
      const { bytesRead } = await readAsync(descriptor, bytes, 0, bytes.length, at)
      if (bytesRead < bytes.length) throw shorter()
    })
    await Promise.all(all)
  }

  function readNow(spans: readonly Span[]): void {
    for (const [bytes, at] of spans)
      if (readSync(descriptor, bytes, 0, bytes.length, at) < bytes.length) throw shorter()
  }

  /** Reads picked rows in the order of the file, some that lie near each other at a time. Yields after each reading. */
  function* picking(picked: Uint32Array, target: ExampleRows): Generator<void> {
    const order = inOrder(picked)
    const gap = Math.max(1, Math.floor(GAP / (width * size)))
    const most = Math.max(1, Math.floor(MOST_PICKED / (width * size)))
    const near = roomFor(most)
    for (let i = 0; i < order.length; ) {
      const from = picked[order[i]!]!
      let end = i + 1
      let last = from
      let isRun = true
      for (; end < order.length; end++) {
        const row = picked[order[end]!]!
        if (row - last > gap || row - from >= most) break
        isRun &&= row === last + 1 && order[end] === order[end - 1]! + 1
        last = row
      }
      if (isRun) readNow(spansOf(from, last + 1, target, order[i]))
      else {
        readNow(spansOf(from, last + 1, near))
        for (let k = i; k < end; k++) copyRow(near, picked[order[k]!]! - from, target, order[k]!, width)
      }
      i = end
      yield
    }
  }

  return {
    rows,
    width,
    rowBytes: width * size + 4 + 4 * perRow.length,
    counts,
    perRow,
    read: async (from, to, space) => {
      const target = roomFor(to - from, space)
      await read(spansOf(from, to, target))
      return target
    },
    readNow: (from, to) => {
      const target = roomFor(to - from)
      readNow(spansOf(from, to, target))
      return target
    },
    marks: async (from, to) => {
      const target = { labels: new Int32Array(to - from), ...newPerRow(to - from, perRow) }
      await read(spansOf(from, to, target))
      return target
    },
    pick: async (picked, space) => {
      const target = roomFor(picked.length, space)
      let begun = performance.now()
      for (const _ of picking(picked, target)) {
        if (performance.now() - begun < TURN) continue
        await new Promise(setImmediate)
        begun = performance.now()
      }
      return target
    },
    pickNow: (picked) => {
      const target = roomFor(picked.length)
      for (const _ of picking(picked, target));
      return target
    },
  }
}

/** Whether rows are in the order of their file. */
export function isGrowing(rows: Uint32Array): boolean {
  return rows.every((row, i) => i === 0 || row > rows[i - 1]!)
}

/** The places of the rows, in the order of their numbers. */
function inOrder(picked: Uint32Array): Uint32Array {
  const order = Uint32Array.from(picked.keys())
  if (isGrowing(picked)) return order
  // A row and its place are one number, so that they are sorted without a call for each comparison.
  const base = 2 ** Math.ceil(Math.log2(Math.max(2, picked.length)))
  const both = Float64Array.from(picked, (row, i) => row * base + i).sort()
  return order.map((_, i) => both[i]! % base)
}

function copyRow(from: ExampleRows, row: number, to: ExampleRows, at: number, width: number): void {
  if (width > 16) to.values.set(from.values.subarray(row * width, (row + 1) * width), at * width)
  else for (let j = 0; j < width; j++) to.values[at * width + j] = from.values[row * width + j]!
  to.labels[at] = from.labels[row]!
  copyPerRow(from, row, to, at)
}
