import type { Table } from 'apache-arrow'
import {
  type Dealing,
  dealRows,
  exampleFields,
  examplesTable,
  filled,
  MODEL_SPLIT,
  type Part,
  PipelineError,
  ShardBuffer,
  type StageContext,
  turn,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { rowMemory } from './row-memory.js'
import { RowScatter } from './row-scatter.js'
import { piecesIn, placesOf, type RowSpan, roomFor, rowsOfPiece, type SplitSize } from './row-span.js'

/** The features of rows, row by row. */
export type Features = Uint8Array | Float32Array

/** Rows of one width, such as those of a file, whose features are yet to be read. */
export interface ArrayRows {
  /** The file, for messages. */
  readonly path: string
  /** Shape of a row, slowest axis first. */
  readonly shape: readonly number[]
  /** The numbers of the features. */
  readonly type: 'uint8' | 'float32'
  /** The class of each row; -1 if it is not known. */
  readonly labels: Int32Array
  /** Reads the features in blocks of whole rows, in order. Call it once. The next block may overwrite the previous one. */
  blocks(): AsyncIterable<Features>
}

/** Rows whose places are noted between two turns of the event loop. */
const TURN = 1 << 16

/** Bytes for each row beside its features, while rows are put in order: its split and its place. */
const PER_ROW = 8

/** How rows are divided. */
export interface Division extends Dealing {
  /** The splits into which rows are dealt. Default: the given ones. */
  readonly fractions?: Readonly<Record<string, Part>> | undefined
  /** Whether rows keep their numbers although they are not dealt. */
  readonly isNumbered?: boolean
}

/** The rows of one split, file by file. */
export type SplitRows = readonly [split: string, rows: readonly ArrayRows[]]

/** Throws a PipelineError `DATA` unless all rows have one shape and one type. Returns them. */
function commonLayout(splits: readonly SplitRows[]): Pick<ArrayRows, 'shape' | 'type'> {
  const [first, ...others] = splits.flatMap(([, rows]) => rows)
  for (const { path, shape, type } of others) {
    if (shape.join() !== first!.shape.join())
      throw new PipelineError(
        'DATA',
        `${path}: expected examples of ${first!.shape.join(' × ')}, as in ${first!.path}, found ${shape.join(' × ')}`,
      )
    if (type !== first!.type)
      throw new PipelineError(
        'DATA',
        `${path}: expected features as ${first!.type}, as in ${first!.path}, found ${type}; save both as one type`,
      )
  }
  return first!
}

/**
 * Reads the rows and makes the tables of the splits. With fractions, the rows of the only split given are dealt into
 * splits, and their numbers are kept. If the stage below asks for `pieces`, makes tables of a few megabytes; rows that are dealt
 * then go through a file if they do not fit into memory. Throws a PipelineError `DATA` as `commonLayout` does.
 */
export async function* splitTables(
  splits: readonly SplitRows[],
  classes: readonly string[],
  division: Division,
  context: StageContext,
): AsyncGenerator<Table> {
  const { shape, type } = commonLayout(splits)
  const { fractions, isNumbered = false } = division
  const width = widthOf(shape)
  const fields = exampleFields({ shape, classes }, type === 'uint8' ? new Uint8Array(0) : new Float32Array(0))
  const inPieces = context.asked.some(({ pieces }) => pieces)
  for (const [split, rows] of splits) {
    if (inPieces && !fractions) {
      yield* pieces(split, rows, fields, width, isNumbered)
      continue
    }
    const labels = joined(rows.map((each) => each.labels))
    const orders = fractions ? await dealRows(labels, fractions, division, context) : undefined
    const bytes = labels.length * width * (type === 'uint8' ? 1 : 4)
    if (orders && inPieces && context.directory !== '' && !context.memory.fits(bytes)) {
      yield* dealtPieces(orders, rows, labels, fields, { width, type }, context)
      continue
    }
    const columns = orders || isNumbered ? (['row'] as const) : []
    const buffer = (count: number) =>
      new ShardBuffer<Features>(
        context.parallel,
        count,
        width,
        (length) => rowMemory(length, type, context.kernels),
        columns,
      )
    const buffers = new Map<string, ShardBuffer<Features>>()
    if (!orders) buffers.set(split, buffer(labels.length))
    /** The buffer of each row, undefined if the fractions leave it over, and its place there. */
    const target = new Array<ShardBuffer<Features> | undefined>(orders ? labels.length : 0)
    const place = new Uint32Array(target.length)
    for (const [name, order] of orders ?? []) {
      const dealt = buffer(order.length)
      buffers.set(name, dealt)
      for (const [at, row] of order.entries()) {
        target[row] = dealt
        place[row] = at
        if (at % TURN === 0) await turn(context)
      }
    }
    const whole = buffers.get(split)
    let row = 0
    for (const each of rows)
      for await (const block of each.blocks()) {
        const count = block.length / width
        if (orders)
          for (let i = 0; i < count; i++) {
            const values = block.subarray(i * width, (i + 1) * width)
            target[row + i]?.put(place[row + i]!, values, labels[row + i]!, row + i)
          }
        else whole!.putRows(row, block, labels.subarray(row, row + count))
        row += count
        await turn(context)
      }
    for (const [name, dealt] of buffers) yield* dealt.tables(fields, name)
  }
}

/** Deals rows into splits through a file, and makes tables of a few megabytes of them. */
async function* dealtPieces(
  orders: ReadonlyMap<string, Uint32Array>,
  rows: readonly ArrayRows[],
  labels: Int32Array,
  fields: ReturnType<typeof exampleFields>,
  { width, type }: { readonly width: number; readonly type: ArrayRows['type'] },
  context: StageContext,
): AsyncGenerator<Table> {
  const sizes = [...orders].map(([name, order]): SplitSize => [name, order.length])
  const count = sizes.reduce((sum, [, size]) => sum + size, 0)
  context.memory.take(PER_ROW * labels.length, `the splits of ${labels.length} rows`, 'raise memory (--memory)')
  const scatter = new RowScatter({ width, type, isWeighted: false }, count, context)
  async function* inOrder(): AsyncGenerator<RowSpan> {
    const places = placesOf(orders, labels.length)
    let row = 0
    for (const { blocks } of rows)
      for await (const block of blocks()) {
        for (let at = 0; at < block.length; at += width, row++)
          if (places[row]! >= 0) scatter.put(places[row]!, block, at, labels[row]!, row, 1)
        await turn(context)
      }
    yield* scatter.inOrder()
  }
  try {
    const most = rowsOfPiece(width, type)
    const none = { first: 0, count: 0, ...roomFor(0, width, type, false) }
    for await (const { split, span, from, count } of piecesIn(inOrder(), sizes, most, none)) {
      const values = span.values.slice(from * width, (from + count) * width)
      const row = span.numbers!.slice(from, from + count)
      yield examplesTable(fields, values, span.labels.slice(from, from + count), split, undefined, undefined, { row })
    }
  } finally {
    scatter.close()
    context.memory.give(PER_ROW * labels.length)
  }
}

/**
 * Makes a table of the split `data` of each block of rows, for a trained model, so that only a block is in memory. Throws a
 * PipelineError `DATA` as `commonLayout` does, and in a divided run.
 */
export async function* modelRowTables(
  rows: readonly ArrayRows[],
  classes: readonly string[],
  context: StageContext,
): AsyncGenerator<Table> {
  if (context.parallel.isDivided)
    throw new PipelineError('DATA', 'rows for a trained model are read by one process; leave `parallel` out')
  const { shape, type } = commonLayout([[MODEL_SPLIT, rows]])
  const width = widthOf(shape)
  const fields = exampleFields({ shape, classes }, type === 'uint8' ? new Uint8Array(0) : new Float32Array(0))
  yield* pieces(MODEL_SPLIT, rows, fields, width, true)
}

/** Makes a table of each block of rows, so that only a block is in memory. */
async function* pieces(
  split: string,
  rows: readonly ArrayRows[],
  fields: ReturnType<typeof exampleFields>,
  width: number,
  isNumbered: boolean,
): AsyncGenerator<Table> {
  let before = 0
  for (const { labels, blocks } of rows) {
    let from = 0
    for await (const block of blocks()) {
      const count = block.length / width
      const row = isNumbered ? Int32Array.from({ length: count }, (_, i) => before + from + i) : undefined
      const part = labels.subarray(from, from + count)
      yield examplesTable(fields, block.slice(), part, split, undefined, undefined, row && { row })
      from += count
    }
    before += labels.length
  }
}

function joined(parts: readonly Int32Array[]): Int32Array {
  if (parts.length === 1) return parts[0]!
  return filled(new Int32Array(parts.reduce((sum, { length }) => sum + length, 0)), parts)
}
