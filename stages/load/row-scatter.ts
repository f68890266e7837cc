import { type StageContext, turn } from '../../pipeline/stage-kit.js'
import { type RowSpan, roomFor } from './row-span.js'
import { SpillFile } from './spill-file.js'

/** The most bytes of memory that are used for it, and the share of the memory of the run. */
const MEMORY = { most: 64 << 20, share: 1 / 4 }

/** What rows are like. */
export interface RowKind {
  /** Numbers of each row. */
  readonly width: number
  /** The type of these numbers. */
  readonly type: 'uint8' | 'float32'
  /** Whether rows have weights. */
  readonly isWeighted: boolean
}

/** Rows of one bucket that are not in the file yet. */
type Buffer = ReturnType<typeof roomFor> & { readonly places: Int32Array; filled: number }

/** Some rows of a bucket in the file. */
interface Extent {
  readonly place: number
  readonly count: number
}

/**
 * Puts rows into another order, more of them than fit into memory: each goes to the bucket of the rows whose places are near
 * its own, in a file. Then bucket after bucket is read and put in order.
 */
export class RowScatter {
  private readonly kind: RowKind
  private readonly rows: number
  private readonly context: StageContext
  private readonly file: SpillFile
  private readonly memory: number
  private readonly perBucket: number
  private readonly perExtent: number
  private readonly buffers: (Buffer | undefined)[] = []
  private readonly extents: Extent[][] = []

  /**
   * @param rows how many rows come: their places are 0 to `rows - 1`, each once
   * @throws PipelineError `DATA` if the limit does not allow the memory that is needed
   */
  constructor(kind: RowKind, rows: number, context: StageContext) {
    this.kind = kind
    this.rows = rows
    this.context = context
    this.memory = Math.min(MEMORY.most, context.memory.limit * MEMORY.share)
    context.memory.take(this.memory, 'rows that are put in order')
    try {
      this.file = new SpillFile(context)
    } catch (error) {
      context.memory.give(this.memory)
      throw error
    }
    // Half of the memory is for the bucket that is put in order, as much for what waits for each bucket.
    const bytes = kind.width * (kind.type === 'uint8' ? 1 : 4) + (kind.isWeighted ? 16 : 12)
    this.perBucket = Math.max(1, Math.floor(this.memory / 2 / bytes))
    const buckets = Math.ceil(rows / this.perBucket)
    this.perExtent = Math.max(1, Math.floor(this.perBucket / Math.max(1, buckets)))
  }

  /**
   * Takes a row.
   *
   * @param from where its numbers begin in `values`
   */
  put(place: number, values: ArrayLike<number>, from: number, label: number, number: number, weight: number): void {
    const { width, type, isWeighted } = this.kind
    const bucket = Math.floor(place / this.perBucket)
    let buffer = this.buffers[bucket]
    if (!buffer) {
      buffer = {
        ...roomFor(this.perExtent, width, type, isWeighted),
        places: new Int32Array(this.perExtent),
        filled: 0,
      }
      this.buffers[bucket] = buffer
    }
    const at = buffer.filled++
    copy(values, from, width, buffer.values, at * width)
    buffer.labels[at] = label
    buffer.numbers[at] = number
    buffer.places[at] = place
    if (buffer.weights) buffer.weights[at] = weight
    if (buffer.filled === this.perExtent) this.flush(bucket, buffer)
  }

  /** Returns all rows in the order of their places. Call it once, when all are there. */
  async *inOrder(): AsyncGenerator<RowSpan> {
    const { width, type, isWeighted } = this.kind
    for (const [bucket, buffer] of this.buffers.entries()) if (buffer) this.flush(bucket, buffer)
    this.buffers.length = 0
    const own = roomFor(Math.min(this.perBucket, this.rows), width, type, isWeighted)
    const read = { ...roomFor(this.perExtent, width, type, isWeighted), places: new Int32Array(this.perExtent) }
    for (let first = 0; first < this.rows; first += this.perBucket) {
      for (const { place, count } of this.extents[Math.floor(first / this.perBucket)] ?? []) {
        let at = place
        for (const array of arraysIn(read, count, width)) {
          await this.file.read(at, array)
          at += array.byteLength
        }
        for (let i = 0; i < count; i++) {
          const to = read.places[i]! - first
          copy(read.values, i * width, width, own.values, to * width)
          own.labels[to] = read.labels[i]!
          own.numbers[to] = read.numbers[i]!
          if (own.weights) own.weights[to] = read.weights![i]!
        }
        await turn(this.context)
      }
      yield { ...own, first, count: Math.min(this.perBucket, this.rows - first) }
    }
  }

  /** Gives file and memory back. */
  close(): void {
    this.file.close()
    this.context.memory.give(this.memory)
  }

  private flush(bucket: number, buffer: Buffer): void {
    if (buffer.filled === 0) return
    const place = this.file.size
    for (const array of arraysIn(buffer, buffer.filled, this.kind.width)) this.file.append(array)
    const list = this.extents[bucket] ?? []
    list.push({ place, count: buffer.filled })
    this.extents[bucket] = list
    buffer.filled = 0
  }
}

/** The arrays of some rows, in the order in which they lie in the file. */
function arraysIn(
  { values, labels, numbers, places, weights }: Omit<Buffer, 'filled'>,
  count: number,
  width: number,
): (Uint8Array | Float32Array | Int32Array)[] {
  const all = [values.subarray(0, count * width), labels, numbers, places, ...(weights ? [weights] : [])]
  return all.map((array, i) => (i === 0 ? array : array.subarray(0, count)))
}

/** The most numbers that are copied one by one: a view of few takes longer than they do. */
const MOST_COPIED = 64

function copy(from: ArrayLike<number>, start: number, count: number, to: Uint8Array | Float32Array, at: number): void {
  if (count > MOST_COPIED && ArrayBuffer.isView(from)) to.set((from as Float32Array).subarray(start, start + count), at)
  else for (let j = 0; j < count; j++) to[at + j] = from[start + j]!
}
