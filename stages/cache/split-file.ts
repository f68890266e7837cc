import { closeSync, constants, openSync, read as readFile, readSync } from 'node:fs'
import { promisify } from 'node:util'
import {
  type ExampleRows,
  newPerRow,
  type PerRow,
  type PerRowName,
  PipelineError,
  type RowSource,
} from '../../pipeline/stage-kit.js'

/** Where the columns of a record batch begin in the file. */
export interface Block {
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

/** What a cache says of the file of a split. */
export interface SplitFile {
  /** The split. */
  readonly name: string
  /** The name of the file in the cache. */
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
  readonly blocks: readonly Block[]
  /** The checksum of what is behind the last batch (crc32). */
  readonly crc: number
}

const readAsync = promisify(readFile)

/** One reading: bytes of the file, and where they go. */
type Span = readonly [to: Uint8Array, at: number]

/** Opens the rows of a split. The file is open until `signal` aborts: at the end of the run. */
export function openSplit(path: string, split: SplitFile, signal: AbortSignal): RowSource {
  const { rows, width, type, perRow, counts, perBlock, blocks } = split
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  signal.addEventListener('abort', () => closeSync(descriptor), { once: true })
  const size = type === 'uint8' ? 1 : 4
  const shorter = (): PipelineError => new PipelineError('DATA', `${path} became shorter while it was read; run again`)

  function valuesIn(space: ArrayBufferLike | undefined, length: number): Uint8Array | Float32Array {
    const isEnough = space && space.byteLength >= length * size
    // All of it is read, so it need not be zero before.
    const buffer = isEnough ? space : Buffer.allocUnsafeSlow(length * size).buffer
    return type === 'uint8' ? new Uint8Array(buffer, 0, length) : new Float32Array(buffer, 0, length)
  }

  function plan(from: number, to: number, space?: ArrayBufferLike): { rows: ExampleRows; spans: Span[] } {
    const count = to - from
    const values = valuesIn(space, count * width)
    const labels = new Int32Array(count)
    const more: PerRow = newPerRow(count, perRow)
    const spans: Span[] = []
    for (let at = from; at < to; ) {
      const block = blocks[Math.floor(at / perBlock)]!
      const [first, end] = [at % perBlock, Math.min((Math.floor(at / perBlock) + 1) * perBlock, to)]
      const add = (array: Uint8Array | Float32Array | Int32Array, begin: number, each: number): void => {
        const bytes = new Uint8Array(array.buffer, (at - from) * each, (end - at) * each)
        spans.push([bytes, begin + first * each])
      }
      add(values, block.values, width * size)
      add(labels, block.labels, 4)
      if (more.row) add(more.row, block.row!, 4)
      if (more.weight) add(more.weight, block.weight!, 4)
      at = end
    }
    return { rows: { values, labels, ...more }, spans }
  }

  return {
    rows,
    width,
    rowBytes: width * size + 4 + 4 * perRow.length,
    counts,
    perRow,
    read: async (from, to, space) => {
      const { rows, spans } = plan(from, to, space)
      // All at once: one after the other, each would wait for a turn of the event loop, which comes seldom in training.
      const read = spans.map(async ([bytes, at]) => {
        const { bytesRead } = await readAsync(descriptor, bytes, 0, bytes.length, at)
        if (bytesRead < bytes.length) throw shorter()
      })
      await Promise.all(read)
      return rows
    },
    readNow: (from, to) => {
      const { rows, spans } = plan(from, to)
      for (const [bytes, at] of spans)
        if (readSync(descriptor, bytes, 0, bytes.length, at) < bytes.length) throw shorter()
      return rows
    },
  }
}
