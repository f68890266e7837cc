import type { Table } from 'apache-arrow'
import {
  dividedBatch,
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
 * The rows of an epoch dealt anew, in a divided run: every rank draws the same permutation of all rows and gathers those
 * that its shards have.
 */
export function* dealtAmongShards(held: readonly Table[], random: Random, { own, shards }: Parallel): Generator<Table> {
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
      const mine = dealt.filter(([, row]) => row % shards === shard)
      const places = mine.map(([batch, row]) => [parts[batch]![k]!, at(row, extents[batch]!.first, shard)] as const)
      return copied(places, widthOf(layoutOf(table).shape), parts[i]![k]!.values)
    })
    const position = positionIn(first, i)
    yield dividedBatch(fieldsOf(table), gathered, splitOf(table), position, { first: extents[i]!.first, rows })
  }

  /** Where row `row` of the split lies in its shard's part of the batch that begins with row `from`. */
  function at(row: number, from: number, shard: number): number {
    return rowsBefore(row, shard, shards) - rowsBefore(from, shard, shards)
  }
}

/** These rows in memory of their own. */
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
