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

/**
 * Copies rows into a table of their own, in memory that the kernels see. Each row keeps its number in its source; rows
 * without one get their number in the table.
 *
 * @param order numbers of rows in `all`, in the order of the new table
 */
export async function gathered(all: Table, order: Uint32Array, split: string, context: StageContext): Promise<Table> {
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
