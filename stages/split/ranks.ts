import type { Table } from 'apache-arrow'
import {
  type ExampleRows,
  fieldsOf,
  layoutOf,
  type PerRowName,
  perRowColumns,
  rowsByShard,
  ShardBuffer,
  type StageContext,
  shareOf,
  splitOf,
  turn,
  widthOf,
} from '../../pipeline/stage-kit.js'
import type { RowsToDeal } from './gathered.js'
import { type GroupOption, keysOf } from './keys.js'

/** The most bytes of rows that all ranks together send each other at once. */
const WINDOW = 1 << 22

/**
 * The rows of a divided run. Each rank has the features of the rows of its shards, and the labels, numbers and keys of all
 * rows. So every rank deals the rows in the same way. The features then go to the ranks that have the new shards: for some
 * rows after the others, every rank sends those that it has, and keeps those of its shards.
 */
export class RowsOfAllRanks implements RowsToDeal {
  /** See `RowsToDeal`. */
  readonly labels: Int32Array
  /** See `RowsToDeal`. */
  readonly numbers: Int32Array | undefined
  private readonly tables: readonly Table[]
  private readonly context: StageContext
  /** The rows of each shard of this rank. */
  private readonly parts: ReadonlyMap<number, ExampleRows>
  /** The rank of each shard. */
  private readonly rankOf: Int32Array
  private readonly columns: readonly PerRowName[]

  private constructor(
    tables: readonly Table[],
    context: StageContext,
    parts: ReadonlyMap<number, ExampleRows>,
    known: { readonly rankOf: Int32Array; readonly labels: Int32Array; readonly numbers: Int32Array | undefined },
  ) {
    this.tables = tables
    this.context = context
    this.parts = parts
    this.rankOf = known.rankOf
    this.labels = known.labels
    this.numbers = known.numbers
    const [first] = parts.values()
    this.columns = [...new Set([...perRowColumns(first), 'row' as const])]
  }

  /** Collects what all ranks must know of all rows. Rejects with a PipelineError `DATA` if a shard did not arrive. */
  static async open(tables: readonly Table[], context: StageContext): Promise<RowsOfAllRanks> {
    const { parallel } = context
    const pieces = rowsByShard(tables, splitOf(tables[0]!), parallel)
    const parts = new Map(parallel.own.map((shard, i) => [shard, pieces[i]![0]!]))
    const rankOf = new Int32Array(parallel.shards)
    for (const [rank, shards] of (await parallel.collect(bytesOf(Int32Array.from(parallel.own)))).entries())
      for (const shard of new Int32Array(aligned(shards))) rankOf[shard] = rank
    const count = shareOf(tables[0]!)!.rows
    const all = (of: (rows: ExampleRows) => Int32Array) =>
      ofAllRows(new Int32Array(count), [...parts.values()].map(of), rankOf, context)
    const labels = await all(({ labels }) => labels)
    const isNumbered = [...parts.values()].every(({ row }) => row)
    const numbers = isNumbered ? await all(({ row }) => row!) : undefined
    return new RowsOfAllRanks(tables, context, parts, { rankOf, labels, numbers })
  }

  /** See `RowsToDeal`. */
  async keys(group: GroupOption): Promise<Float64Array> {
    const { context, parts, tables } = this
    const own: Float64Array[] = []
    for (const shard of parts.keys()) {
      const table = tables.find((each) => shareOf(each)!.shard === shard)!
      own.push(await keysOf(table, group, context))
    }
    return ofAllRows(new Float64Array(this.labels.length), own, this.rankOf, context)
  }

  /** See `RowsToDeal`. */
  async *gathered(parts: ReadonlyMap<string, Uint32Array>): AsyncGenerator<Table> {
    for (const [split, order] of parts) yield* this.split(order, split)
  }

  private async *split(order: Uint32Array, split: string): AsyncGenerator<Table> {
    const { context, tables, labels, numbers, columns } = this
    const { kernels, parallel } = context
    const [first] = tables
    const width = widthOf(layoutOf(first!).shape)
    const [{ values }] = this.parts.values() as Iterable<ExampleRows> as [ExampleRows]
    const isBytes = values instanceof Uint8Array
    const allocate = (length: number): Uint8Array | Float32Array => {
      const bytes = kernels.allocate(isBytes ? length : 4 * length)
      return isBytes ? bytes : new Float32Array(bytes.buffer, bytes.byteOffset, length)
    }
    const buffer = new ShardBuffer(parallel, order.length, width, allocate, columns)
    const size = (isBytes ? 1 : 4) * width
    const window = Math.max(1, Math.floor(WINDOW / (size + 4)))
    for (let from = 0; from < order.length; from += window) {
      const rows = order.subarray(from, from + window)
      const sent = await parallel.collect(this.packed(rows, size))
      const at = new Array<number>(sent.length).fill(0)
      for (const [i, row] of rows.entries()) {
        const rank = this.rankOf[row % parallel.shards]!
        const bytes = sent[rank]!.subarray(at[rank]!, at[rank]! + size + 4)
        at[rank]! += size + 4
        const weight = new Float32Array(aligned(bytes.subarray(size)))[0]!
        const features = isBytes ? bytes.subarray(0, size) : new Float32Array(aligned(bytes.subarray(0, size)))
        buffer.put(from + i, features, labels[row]!, numbers?.[row] ?? row, weight)
        if (i % 512 === 0) await turn(context)
      }
    }
    yield* buffer.tables(fieldsOf(first!), split)
  }

  /** The features and the weights of those of the rows that this rank has. */
  private packed(rows: Uint32Array, size: number): Uint8Array {
    const { parallel } = this.context
    const own = rows.filter((row) => this.parts.has(row % parallel.shards))
    const packed = new Uint8Array(own.length * (size + 4))
    for (const [i, row] of own.entries()) {
      const { values, weight } = this.parts.get(row % parallel.shards)!
      const at = Math.floor(row / parallel.shards)
      const bytes = bytesOf(values).subarray(at * size, (at + 1) * size)
      packed.set(bytes, i * (size + 4))
      packed.set(bytesOf(Float32Array.of(weight?.[at] ?? 1)), i * (size + 4) + size)
    }
    return packed
  }
}

/**
 * Puts the numbers that each rank has for its rows in the order of all rows: row `i` belongs to shard `i % shards`.
 *
 * @param all gets the numbers
 * @param own the numbers of each shard of this rank
 */
async function ofAllRows<A extends Int32Array | Float64Array>(
  all: A,
  own: readonly A[],
  rankOf: Int32Array,
  context: StageContext,
): Promise<A> {
  const shards = rankOf.length
  const sent = await context.parallel.collect(Buffer.concat(own.map(bytesOf)))
  const numbers = sent.map((bytes) =>
    all instanceof Int32Array ? new Int32Array(aligned(bytes)) : new Float64Array(aligned(bytes)),
  )
  const at = numbers.map(() => 0)
  for (let shard = 0; shard < shards; shard++) {
    const rank = rankOf[shard]!
    for (let row = shard; row < all.length; row += shards) all[row] = numbers[rank]![at[rank]!++]!
    await turn(context)
  }
  return all
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** A copy of bytes that begins where numbers may begin. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
