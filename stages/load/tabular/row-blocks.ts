import { type Memory, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import type { RowSpan } from '../row-span.js'
import type { SpillFile } from '../spill-file.js'
import { FreeMemory } from './free-memory.js'
import {
  arraysOf,
  type Block,
  fillDoubles,
  fillFloats,
  newBlock,
  type RowExtras,
  type RowType,
  type RowValues,
} from './row-block.js'
import type { RowHome } from './row-home.js'

/** Bytes of a block, at most. Growing by blocks copies nothing. */
const BLOCK = 1 << 20

/** Bytes of a block that somebody waits for. */
const SMALL_BLOCK = 1 << 18

/** Bytes that stay free for everything else. */
const RESERVE = 64 << 20

/** Where rows go. */
export interface RowOutlet {
  /** Memory for as many rows as are expected, where they stay. */
  readonly home?: RowHome | undefined
  /** Opens the file to which blocks go that do not fit into memory. */
  readonly spill?: (() => SpillFile) | undefined
  /** Takes each block as soon as it is full; its rows are then no longer here. Blocks are small. */
  readonly onFull?: ((rows: RowSpan) => void) | undefined
}

/** Codes in a column of blocks that lie in the file, and the numbers that they stand for. */
interface Replacement {
  readonly column: number
  readonly by: (value: number) => number
  /** It holds for the blocks before this one. */
  readonly blocks: number
}

/**
 * Rows of numbers with one number each for the label, in blocks that come as they are needed. All rows can be visited in
 * their order. While all blocks are in memory (`isInMemory`), each row can be reached by its index as well.
 */
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
  /** The blocks in memory: the last ones. */
  private readonly blocks: Block[] = []
  private readonly outlet: RowOutlet
  private file: SpillFile | undefined
  /** Number of blocks that are no longer in memory. */
  private gone = 0
  /** Number of rows that were given to `onFull`. */
  private given = 0
  private readonly replacements: Replacement[] = []
  private readonly free = new FreeMemory()
  /** The values of all rows that are expected, and room for more to the end of the last block. */
  private readonly home: RowValues | undefined
  /** Bytes that were taken from the memory of the run. */
  private taken = 0

  /** Throws a PipelineError `DATA` if there is no memory for the rows that are expected. */
  constructor(
    width: number,
    memory: Memory,
    type: RowType = 'float32',
    extras: RowExtras = {},
    outlet: RowOutlet = {},
  ) {
    this.outlet = outlet
    this.memory = memory
    this.width = width
    this.type = type
    this.extras = extras
    const most = outlet.onFull ? SMALL_BLOCK : Math.min(BLOCK, memory.window)
    const { home } = outlet
    this.perBlock = Math.max(1, Math.min(home?.rows ?? most, Math.floor(most / Math.max(1, width * this.size))))
    if (home) this.home = this.moveIn(home)
  }

  /** The values of all rows, one row after the other, if they lie in their home and are as many as were expected. */
  get atHome(): RowValues | undefined {
    return this.count === this.outlet.home?.rows ? this.home?.subarray(0, this.count * this.width) : undefined
  }

  /** Whether all rows are in memory. */
  get isInMemory(): boolean {
    return this.gone === 0
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

  /** Adds rows that lie one after the other. Throws like `add`. */
  addRun(
    values: RowValues | Float64Array,
    count: number,
    labels: Int32Array,
    numbers: Int32Array,
    weights: Float64Array | undefined,
  ): void {
    const { width } = this
    this.addInBlocks(count, labels, numbers, weights, (block, at, from, rows) => {
      block.values.set(values.subarray(from * width, (from + rows) * width), at * width)
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

  /** Replaces one value of every row. `by` must give the same later. */
  replace(column: number, by: (value: number) => number): void {
    for (const { values } of this.blocks) this.replaceIn(values, column, by)
    if (this.file) this.replacements.push({ column, by, blocks: this.gone })
  }

  /** Returns all rows in their order. */
  async *inOrder(): AsyncGenerator<RowSpan> {
    const { perBlock } = this
    const read = this.file && this.newBlock()
    for (let block = 0; block < this.gone; block++) {
      await this.readBlock(block, read!)
      yield { ...read!, first: block * perBlock, count: perBlock }
    }
    for (const [i, block] of this.blocks.entries()) yield this.span(this.gone + i, block)
  }

  /** Gives the rows that are here to `onFull`, although their block is not full. */
  flush(): void {
    const { width, given, outlet } = this
    const block = this.blocks.at(-1)
    if (!block || given === this.count) return
    const [from, to] = [given % this.perBlock, (given % this.perBlock) + this.count - given]
    this.given = this.count
    outlet.onFull?.({
      first: given,
      count: to - from,
      values: block.values.subarray(from * width, to * width),
      labels: block.labels.subarray(from, to),
      numbers: block.numbers?.subarray(from, to),
      weights: block.weights?.subarray(from, to),
    })
  }

  /** If rows lie in the file, all but the last block go there, too. */
  async settle(context: Pick<StageContext, 'flow' | 'signal'>): Promise<void> {
    while (this.file && this.blocks.length > 1) {
      this.writeFirst()
      this.give(this.blockBytes)
      await turn(context)
    }
  }

  /** Drops all rows, and gives their memory back. */
  clear(): void {
    this.give(this.taken)
    this.blocks.length = 0
    this.count = 0
    this.gone = 0
    this.file?.close()
    this.file = undefined
  }

  private span(index: number, block: Block): RowSpan {
    const first = index * this.perBlock
    return { ...block, first, count: Math.min(this.perBlock, this.count - first) }
  }

  private replaceIn(values: RowValues, column: number, by: (value: number) => number): void {
    for (let at = column; at < values.length; at += this.width) values[at] = by(values[at]!)
  }

  private async readBlock(index: number, to: Block): Promise<void> {
    let place = index * this.blockBytes
    for (const array of arraysOf(to)) {
      await this.file!.read(place, array)
      place += array.byteLength
    }
    for (const { column, by, blocks } of this.replacements) if (index < blocks) this.replaceIn(to.values, column, by)
  }

  /** Bytes of a row. */
  private get rowBytes(): number {
    const { numbers, weights } = this.extras
    return this.width * this.size + 4 + (numbers ? 4 : 0) + (weights ? 4 : 0)
  }

  /** Bytes of a block. */
  private get blockBytes(): number {
    return this.perBlock * this.rowBytes
  }

  private blockOf(i: number): Block {
    return this.blocks[Math.floor(i / this.perBlock) - this.gone]!
  }

  /** Takes the memory for all rows that are expected. */
  private moveIn(home: RowHome): RowValues {
    const { width, perBlock } = this
    const bytes = home.rows * this.rowBytes
    this.take(bytes, `${home.rows} rows of ${width} features`)
    const what = `${home.rows} rows of ${width} features take ${bytes >> 20} MiB`
    if (this.free.before(bytes) < bytes + RESERVE) throw notEnough(what)
    try {
      return home.valuesFor(Math.ceil(home.rows / perBlock) * perBlock * width, this.type)
    } catch (cause) {
      throw notEnough(what, cause)
    }
  }

  private take(bytes: number, what: string): void {
    this.memory.take(bytes, what)
    this.taken += bytes
  }

  private give(bytes: number): void {
    this.memory.give(bytes)
    this.taken -= bytes
  }

  private grow(): void {
    const { spill, onFull } = this.outlet
    const length = this.perBlock * this.width
    const from = this.blocks.length * length
    if (this.home && from < this.home.length) {
      this.blocks.push(newBlock(this.perBlock, this.home.subarray(from, from + length), this.extras))
      return
    }
    if (onFull) {
      this.flush()
      this.blocks.length = 0
    }
    const size = this.perBlock * this.width * this.size
    const free = this.free.before(size)
    const isFull = !this.memory.fits(this.blockBytes) || free < size + RESERVE
    if (spill && this.blocks.length > 0 && (this.file || isFull)) {
      this.spillTo(spill)
      return
    }
    const copy = (this.blocks.length + 1) * size
    // The last block counts once it is full, so that little data needs little.
    if (this.blocks.length > 0)
      this.take(this.blockBytes, `${this.count} rows of ${this.width} features have been read, and more of them`)
    if (free < size + copy + RESERVE) throw this.tooLarge(copy)
    try {
      this.blocks.push(this.newBlock())
    } catch (cause) {
      throw this.tooLarge(copy, cause)
    }
  }

  private newBlock(): Block {
    const length = this.perBlock * this.width
    const values = this.type === 'uint8' ? new Uint8Array(length) : new Float32Array(length)
    return newBlock(this.perBlock, values, this.extras)
  }

  /** Makes room for a block: writes the first two to the file, so that all go there little by little. */
  private spillTo(open: () => SpillFile): void {
    this.file ??= open()
    const room = this.writeFirst()
    if (this.blocks.length > 0) {
      this.writeFirst()
      this.give(this.blockBytes)
    }
    this.blocks.push(room)
  }

  /** Writes the first block in memory to the file, and returns its memory. */
  private writeFirst(): Block {
    const block = this.blocks.shift()!
    for (const array of arraysOf(block)) this.file!.append(array)
    this.gone++
    return block
  }

  private tooLarge(bytes: number, cause?: unknown): PipelineError {
    const { count, width } = this
    return notEnough(`${count} rows of ${width} features take ${bytes >> 20} MiB, and as much again as splits`, cause)
  }
}

function notEnough(what: string, cause?: unknown): PipelineError {
  const fix = 'leave out columns or rows, or take a machine with more memory'
  return new PipelineError('DATA', `not enough memory: ${what}; ${fix}`, { cause })
}
