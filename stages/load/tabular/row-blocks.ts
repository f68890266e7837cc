import { totalmem } from 'node:os'
import { type Memory, PipelineError } from '../../../pipeline/stage-kit.js'

/** Bytes of a block. Growing by blocks copies nothing. */
const BLOCK = 1 << 20

/** Bytes that stay free for everything else. */
const RESERVE = 64 << 20

const FIX =
  'this load stage keeps all rows until it has read them: raise memory (--memory); with cache/arrow behind it only once, ' +
  'because later runs read the cache in windows'

/** The type of the numbers of rows. */
export type RowType = 'float32' | 'uint8'

/** Numbers of rows. */
export type RowValues = Float32Array | Uint8Array

interface Block {
  /** Row-major values. */
  values: RowValues
  /** A number for the label of each row. */
  readonly labels: Int32Array
  /** The number of each row in its source. */
  readonly numbers: Int32Array | undefined
  readonly weights: Float32Array | undefined
}

/** What is kept of each row beside its values and its label. */
export interface RowExtras {
  /** Whether rows have numbers of their own. Without them, a row's number is its index. */
  readonly numbers?: boolean
  /** Whether rows have weights. */
  readonly weights?: boolean
}

/** Rows of numbers with one number each for the label, in blocks that come as they are needed. */
export class RowBlocks {
  /** Number of values of a row. */
  readonly width: number
  /** The type of the values. */
  readonly type: RowType
  /** Number of rows. */
  count = 0
  private readonly extras: RowExtras
  private readonly memory: Memory
  private readonly perBlock: number
  private readonly blocks: Block[] = []

  constructor(width: number, memory: Memory, type: RowType = 'float32', extras: RowExtras = {}) {
    this.memory = memory
    this.width = width
    this.type = type
    this.extras = extras
    this.perBlock = Math.max(1, Math.floor(BLOCK / Math.max(1, width * this.size)))
  }

  /** Bytes of a value. */
  private get size(): number {
    return this.type === 'uint8' ? 1 : 4
  }

  /**
   * Adds a row and returns its values, to be filled. Throws a PipelineError `DATA` if the machine has no memory for
   * all rows so far and for their copy in the splits.
   */
  add(label: number, number = this.count, weight = 1): RowValues {
    const at = this.count % this.perBlock
    if (at === 0) this.grow()
    const block = this.blocks.at(-1)!
    block.labels[at] = label
    if (block.numbers) block.numbers[at] = number
    if (block.weights) block.weights[at] = weight
    this.count++
    return block.values.subarray(at * this.width, (at + 1) * this.width)
  }

  /**
   * Adds rows that lie in columns. Throws like `add`.
   *
   * @param starts where the rows begin in each column
   * @param weights the weight of each row; undefined: 1
   */
  addColumns(
    columns: readonly (Float32Array | Float64Array)[],
    starts: Int32Array,
    count: number,
    labels: Int32Array,
    numbers: Int32Array,
    weights: Float64Array | undefined,
  ): void {
    const { width } = this
    this.addInBlocks(count, labels, numbers, weights, ({ values }, at, from, rows) => {
      for (let j = 0; j < width; j++) {
        const column = columns[j]!
        const first = starts[j]! + from
        if (column instanceof Float32Array) fillFloats(values, at * width + j, width, column, first, rows)
        else fillDoubles(values, at * width + j, width, column, first, rows)
      }
    })
  }

  /** Adds rows that lie one after the other. Their memory is kept, and may be used for other rows later. Throws like `add`. */
  addRun(
    values: RowValues | Float64Array,
    count: number,
    labels: Int32Array,
    numbers: Int32Array,
    weights: Float64Array | undefined,
  ): void {
    const { width } = this
    this.addInBlocks(count, labels, numbers, weights, (block, at, from, rows) => {
      const part = values.subarray(from * width, (from + rows) * width)
      // A whole block need not be copied.
      if (rows === this.perBlock && part.constructor === block.values.constructor) block.values = part as RowValues
      else block.values.set(part, at * width)
    })
  }

  /** @param put writes the values of `rows` rows, from `from` on, to row `at` of a block */
  private addInBlocks(
    count: number,
    labels: Int32Array,
    numbers: Int32Array,
    weights: Float64Array | undefined,
    put: (block: Block, at: number, from: number, rows: number) => void,
  ): void {
    for (let from = 0; from < count; ) {
      const at = this.count % this.perBlock
      if (at === 0) this.grow()
      const block = this.blocks.at(-1)!
      const rows = Math.min(count - from, this.perBlock - at)
      put(block, at, from, rows)
      block.labels.set(labels.subarray(from, from + rows), at)
      block.numbers?.set(numbers.subarray(from, from + rows), at)
      if (weights) block.weights?.set(weights.subarray(from, from + rows), at)
      else block.weights?.fill(1, at, at + rows)
      this.count += rows
      from += rows
    }
  }

  /** The values of a row. */
  row(i: number): RowValues {
    const at = (i % this.perBlock) * this.width
    return this.blockOf(i).values.subarray(at, at + this.width)
  }

  /** The numbers of the block in which a row lies. */
  block(i: number): RowValues {
    return this.blockOf(i).values
  }

  /** Where a row begins in its block. */
  offset(i: number): number {
    return (i % this.perBlock) * this.width
  }

  /** How many rows the block has from this row on. */
  left(i: number): number {
    return this.perBlock - (i % this.perBlock)
  }

  /** What was given to `add` with a row. */
  label(i: number): number {
    return this.blockOf(i).labels[i % this.perBlock]!
  }

  /** The number of a row in its source. */
  number(i: number): number {
    return this.blockOf(i).numbers?.[i % this.perBlock] ?? i
  }

  /** The weight of a row. */
  weight(i: number): number {
    return this.blockOf(i).weights?.[i % this.perBlock] ?? 1
  }

  /** Replaces one value of every row. */
  replace(column: number, by: (value: number) => number): void {
    for (let i = 0; i < this.count; i++) {
      const row = this.row(i)
      row[column] = by(row[column]!)
    }
  }

  /** Drops all rows, and gives their memory back. */
  clear(): void {
    this.memory.give(Math.max(0, this.blocks.length - 1) * this.blockBytes)
    this.blocks.length = 0
    this.count = 0
  }

  /** Bytes of a block. */
  private get blockBytes(): number {
    const { numbers, weights } = this.extras
    return this.perBlock * (this.width * this.size + 4 + (numbers ? 4 : 0) + (weights ? 4 : 0))
  }

  private blockOf(i: number): Block {
    return this.blocks[Math.floor(i / this.perBlock)]!
  }

  private grow(): void {
    const size = this.perBlock * this.width * this.size
    const copy = (this.blocks.length + 1) * size
    // The last block counts once it is full, so that little data needs little.
    if (this.blocks.length > 0)
      this.memory.take(
        this.blockBytes,
        `${this.count} rows of ${this.width} features have been read, and more of them`,
        FIX,
      )
    if (freeMemory() < size + copy + RESERVE) throw this.tooLarge(copy)
    try {
      this.blocks.push({
        values: this.type === 'uint8' ? new Uint8Array(size) : new Float32Array(this.perBlock * this.width),
        labels: new Int32Array(this.perBlock),
        numbers: this.extras.numbers ? new Int32Array(this.perBlock) : undefined,
        weights: this.extras.weights ? new Float32Array(this.perBlock) : undefined,
      })
    } catch (cause) {
      throw this.tooLarge(copy, cause)
    }
  }

  private tooLarge(bytes: number, cause?: unknown): PipelineError {
    const size = `${this.count} rows of ${this.width} features take ${bytes >> 20} MiB, and as much again as splits`
    const fix = 'leave out columns or rows, or take a machine with more memory'
    return new PipelineError('DATA', `not enough memory: ${size}; ${fix}`, { cause })
  }
}

/** Writes numbers that lie in one piece to every `step`th place. There is one for each type, which V8 compiles for it. */
function fillFloats(
  values: RowValues,
  at: number,
  step: number,
  column: Float32Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) values[at + i * step] = column[from + i]!
}

function fillDoubles(
  values: RowValues,
  at: number,
  step: number,
  column: Float64Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) values[at + i * step] = column[from + i]!
}

/** Bytes that this process may still take. Only Linux tells it; elsewhere what is free says little. */
function freeMemory(): number {
  return process.platform === 'linux' ? process.availableMemory() : totalmem() - process.memoryUsage.rss()
}
