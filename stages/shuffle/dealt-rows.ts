import type { Table } from 'apache-arrow'
import {
  batchOfShards,
  extentOf,
  fieldsOf,
  layoutOf,
  type Parallel,
  partsOf,
  positionOf,
  type Random,
  type Rows,
  rowsBefore,
  splitOf,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { positionIn } from './epochs.js'

/**
 * Deals the rows of an epoch anew into its batches, which keep their sizes. Every rank draws the same permutation of all
 * rows and gathers those that its shards have.
 */
export function* dealtRows(held: readonly Table[], random: Random, parallel: Parallel): Generator<Table> {
  const { own, shards } = parallel
  const first = positionOf(held[0]!)
  const extents = held.map(extentOf)
  const parts = held.map(partsOf)
  const owners = extents.flatMap(({ first: from, rows }, batch) =>
    Array.from({ length: rows }, (_, i) => [batch, from + i] as const),
  )
  const order = random.permutation(owners.length)
  let next = 0
  for (const [i, table] of held.entries()) {
    const { rows } = extents[i]!
    const dealt = Array.from(order.subarray(next, next + rows), (at) => owners[at]!)
    next += rows
    const gathered = own.map((shard, k) => {
      const mine = shards === 1 ? dealt : dealt.filter(([, row]) => row % shards === shard)
      const places = mine.map(([batch, row]) => [parts[batch]![k]!, at(row, extents[batch]!.first, shard)] as const)
      return copied(places, widthOf(layoutOf(table).shape), parts[i]![k]!.values)
    })
    const extent = { first: extents[i]!.first, rows }
    yield batchOfShards(fieldsOf(table), gathered, splitOf(table), positionIn(first, i), extent, parallel)
  }

  /** The place of row `row` of the split in its shard's part of the batch that begins with row `from`. */
  function at(row: number, from: number, shard: number): number {
    return rowsBefore(row, shard, shards) - rowsBefore(from, shard, shards)
  }
}

/** Copies these rows into memory of their own. */
function copied(places: readonly (readonly [Rows, number])[], width: number, like: Rows['values']): Rows {
  const size = places.length * width
  const values = like instanceof Uint8Array ? new Uint8Array(size) : new Float32Array(size)
  const labels = new Int32Array(places.length)
  for (const [to, [rows, row]] of places.entries()) {
    values.set(rows.values.subarray(row * width, (row + 1) * width), to * width)
    labels[to] = rows.labels[row]!
  }
  return { values, labels }
}
