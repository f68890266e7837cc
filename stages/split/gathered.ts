import type { Table } from 'apache-arrow'
import {
  copyPerRow,
  examplesTable,
  fieldsOf,
  kernelRows,
  newPerRow,
  perRowColumns,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'
import { type GroupOption, keysOf } from './keys.js'

/** Rows that are dealt into splits. */
export interface RowsToDeal {
  /** The class of each row. */
  readonly labels: Int32Array
  /** The number of each row in its source, if the rows carry it. */
  readonly numbers: Int32Array | undefined
  /** Returns a key for each row; see `keysOf`. */
  keys(group: GroupOption): Promise<Float64Array>
  /**
   * Makes the tables of the new splits. Each row keeps its number in its source; rows without one get their number in the
   * divided split. Call it once.
   *
   * @param parts numbers of rows, in the order of each split
   */
  gathered(parts: ReadonlyMap<string, Uint32Array>): AsyncIterable<Table>
}

/** The rows of a run that is not divided among processes, in memory. They are copied into memory that the kernels see. */
export class OwnRows implements RowsToDeal {
  /** See `RowsToDeal`. */
  readonly labels: Int32Array
  /** See `RowsToDeal`. */
  readonly numbers: Int32Array | undefined
  private readonly all: Table
  private readonly context: StageContext

  constructor([first, ...others]: readonly Table[], context: StageContext) {
    this.all = others.length === 0 ? first! : first!.concat(...others)
    this.context = context
    const { labels, row } = kernelRows(this.all)
    this.labels = labels
    this.numbers = row
  }

  /** See `RowsToDeal`. */
  keys(group: GroupOption): Promise<Float64Array> {
    return keysOf(this.all, group, this.context)
  }

  /** See `RowsToDeal`. */
  async *gathered(parts: ReadonlyMap<string, Uint32Array>): AsyncGenerator<Table> {
    for (const [split, order] of parts) yield await gathered(this.all, order, split, this.context)
  }
}

async function gathered(all: Table, order: Uint32Array, split: string, context: StageContext): Promise<Table> {
  const rows = kernelRows(all)
  const { values, labels } = rows
  const width = labels.length === 0 ? 0 : values.length / labels.length
  const isBytes = values instanceof Uint8Array
  const size = order.length * width
  const bytes = context.kernels.allocate(isBytes ? size : 4 * size)
  const to = isBytes ? bytes : new Float32Array(bytes.buffer, bytes.byteOffset, size)
  const own = new Int32Array(order.length)
  const perRow = newPerRow(order.length, [...new Set([...perRowColumns(rows), 'row' as const])])
  const from = rows.row ? rows : { ...rows, row: Int32Array.from({ length: labels.length }, (_, i) => i) }
  for (const [i, row] of order.entries()) {
    to.set(values.subarray(row * width, (row + 1) * width), i * width)
    own[i] = labels[row]!
    copyPerRow(from, row, perRow, i)
    if (i % 512 === 0) await turn(context)
  }
  return examplesTable(fieldsOf(all), to, own, split, undefined, undefined, perRow)
}
