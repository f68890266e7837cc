import type { Table } from 'apache-arrow'
import {
  copyNumbers,
  examplesTable,
  newPerRow,
  perRowOf,
  type StageContext,
  turn,
} from '../../../pipeline/stage-kit.js'
import type { Split } from './division.js'
import type { ExamplesOfRows } from './layout.js'
import type { RowValues } from './row-block.js'
import type { RowBlocks } from './row-blocks.js'

/** Numbers that are moved between two turns of the event loop. */
const AT_ONCE = 1 << 19

/**
 * Makes the table of each split from rows that lie in their home: puts the rows in the order of the splits, without memory for
 * a second copy, and takes the features of each split from where they are.
 *
 * @param values the features of all rows, `[rows, width]`; their order changes
 * @param order the rows of all splits, one split behind the other: each row once. Overwritten
 */
export async function* tablesInPlace(
  values: RowValues,
  order: Uint32Array,
  stored: RowBlocks,
  labels: Int32Array,
  splits: readonly Split[],
  { fields, perRow }: ExamplesOfRows,
  context: StageContext,
): AsyncGenerator<Table> {
  const { width } = stored
  const others = splits.map(([, rows]) => {
    const own = new Int32Array(rows.length)
    const rest = newPerRow(rows.length, perRow)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      own[i] = labels[row]!
      if (rest.row) rest.row[i] = stored.number(row)
      if (rest.weight) rest.weight[i] = stored.weight(row)
    }
    return { labels: own, rest: perRowOf(rest) }
  })
  // The stages that take the tables count their rows from now on.
  stored.clear()
  await permute(values, width, order, context)
  let at = 0
  for (const [i, [split, rows]] of splits.entries()) {
    const own = values.subarray(at * width, (at + rows.length) * width)
    at += rows.length
    yield examplesTable(fields, own, others[i]!.labels, split, undefined, undefined, others[i]!.rest)
  }
}

/** The rows of all splits, one split behind the other, if each of `count` rows is in one; else undefined. */
export function orderOf(splits: readonly Split[], count: number): Uint32Array | undefined {
  if (splits.reduce((sum, [, rows]) => sum + rows.length, 0) !== count) return undefined
  const order = new Uint32Array(count)
  const isThere = new Uint8Array(count)
  let at = 0
  for (const [, rows] of splits) {
    order.set(rows, at)
    at += rows.length
    for (const row of rows) isThere[row] = 1
  }
  return isThere.includes(0) ? undefined : order
}

/** Puts row `order[i]` at place `i`, for all rows at once, cycle by cycle of the permutation. Overwrites `order`. */
async function permute(values: RowValues, width: number, order: Uint32Array, context: StageContext): Promise<void> {
  const rows = Math.max(1, Math.floor(AT_ONCE / width))
  const kept = values.slice(0, width)
  /** The place that is filled next, and the place whose row is kept meanwhile; the same between two cycles. */
  let [place, start] = [0, 0]
  // A function of its own, because V8 does not compile the loops of async functions well.
  const move = (): boolean => {
    for (let left = rows; left > 0; left--) {
      if (place === start) {
        while (start < order.length && order[start] === start) start++
        if (start === order.length) return false
        place = start
        kept.set(values.subarray(start * width, (start + 1) * width))
      }
      const from = order[place]!
      order[place] = place
      if (from === start) {
        values.set(kept, place * width)
        place = ++start
      } else {
        copyNumbers(values, from * width, width, values, place * width)
        place = from
      }
    }
    return true
  }
  while (move()) await turn(context)
}
