import type { Table } from 'apache-arrow'
import {
  batchOfShards,
  copyPerRow,
  type ExampleRows,
  extentOf,
  fieldsOf,
  layoutOf,
  newPerRow,
  type Parallel,
  partsOf,
  perRowColumns,
  pickedSource,
  positionOf,
  type Random,
  rowsBefore,
  sharedMemory,
  splitOf,
  unreadBatch,
  unreadOf,
  widthOf,
  withOrigin,
} from '../../pipeline/stage-kit.js'
import { positionIn } from './epochs.js'

/**
 * Permutes the rows of an epoch across its batches, which keep their sizes. Every rank draws the same permutation of
 * all rows and gathers the rows of its own shards.
 */
export function* dealtRows(held: readonly Table[], random: Random, parallel: Parallel): Generator<Table> {
  if (unreadOf(held[0]!)) {
    yield* dealtFromFile(held, random)
    return
  }
  const { own, shards } = parallel
  const first = positionOf(held[0]!)
  const extents = held.map(extentOf)
  const parts = held.map(partsOf)
  const total = extents.reduce((sum, { rows }) => sum + rows, 0)
  // The batch in which each row of the epoch arrived, and its number in the split.
  const [batchOf, rowOf] = [new Int32Array(total), new Int32Array(total)]
  let at = 0
  for (const [batch, { first: from, rows }] of extents.entries())
    for (let i = 0; i < rows; i++, at++) {
      batchOf[at] = batch
      rowOf[at] = from + i
    }
  const order = random.permutation(total)
  const width = widthOf(layoutOf(held[0]!).shape)
  const memory = parallel.isDivided ? undefined : sharedMemory(parts.flat(), width)
  let next = 0
  for (const [i, table] of held.entries()) {
    const { first: from, rows } = extents[i]!
    const dealt = order.subarray(next, next + rows)
    next += rows
    const gathered = own.map((shard, k) => gather(dealt, shard, k, parts[i]![k]!))
    const position = positionIn(first, i)
    const batch = batchOfShards(fieldsOf(table), gathered, splitOf(table), position, { first: from, rows }, parallel)
    yield withOrigin(batch, memory && { values: memory.values, rows: dealt.map(inMemory) })
  }

  /** The number of a row in the memory of all. */
  function inMemory(at: number): number {
    const batch = batchOf[at]!
    return memory!.firsts[batch]! + rowOf[at]! - extents[batch]!.first
  }

  /** Copies those of the `dealt` rows that belong to a shard into new memory. It is the `k`th shard of this process. */
  function gather(dealt: Uint32Array, shard: number, k: number, like: ExampleRows): ExampleRows {
    const mine = shards === 1 ? dealt : dealt.filter((at) => rowOf[at]! % shards === shard)
    const size = mine.length * width
    const values = like.values instanceof Uint8Array ? new Uint8Array(size) : new Float32Array(size)
    const labels = new Int32Array(mine.length)
    const perRow = newPerRow(mine.length, perRowColumns(like))
    for (let to = 0; to < mine.length; to++) {
      const batch = batchOf[mine[to]!]!
      const start = rowsBefore(extents[batch]!.first, shard, shards)
      const row = rowsBefore(rowOf[mine[to]!]!, shard, shards) - start
      const source = parts[batch]![k]!
      values.set(source.values.subarray(row * width, (row + 1) * width), to * width)
      labels[to] = source.labels[row]!
      copyPerRow(source, row, perRow, to)
    }
    return { values, labels, ...perRow }
  }
}

/** Does the same with rows that lie in a file: they are read when a batch is. */
function* dealtFromFile(held: readonly Table[], random: Random): Generator<Table> {
  const batches = held.map((table) => unreadOf(table)!)
  const { source, from: start } = batches[0]!
  const first = positionOf(held[0]!)
  const order = random.permutation(batches.reduce((sum, { from, to }) => sum + to - from, 0))
  const dealt = pickedSource(source, start === 0 ? order : order.map((row) => start + row), source.counts)
  let next = 0
  for (const [i, { fields, from, to, split }] of batches.entries()) {
    const end = next + to - from
    yield unreadBatch(fields, dealt, next, end, split, positionIn(first, i))
    next = end
  }
}
