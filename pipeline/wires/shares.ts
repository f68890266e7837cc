import { type Field, RecordBatch, Schema, Table } from 'apache-arrow'
import { PipelineError } from '../base/errors.js'
import type { Parallel } from '../stage/parallel-contract.js'
import { examplesData, examplesTable, kernelRows } from './examples.js'
import { type ExampleRows, isWeight, newPerRow, type PerRow, type PerRowName, perRowFields } from './per-row.js'
import { type Position, writePosition } from './position.js'
import type { Share } from './share.js'

type Shares = Pick<Parallel, 'isDivided' | 'shards' | 'own'>

/** Returns how many of the rows before row `end` belong to `shard`. */
export function rowsBefore(end: number, shard: number, shards: number): number {
  return Math.max(0, Math.ceil((end - shard) / shards))
}

/** The most numbers of a row that are copied one by one. */
const MOST_COPIED = 64

/** The rows of one shard. */
type Part<V> = { readonly values: V; readonly labels: Int32Array } & PerRow

/**
 * Takes the rows of one split one by one, and keeps the rows that belong to the shards of this process. Each shard has
 * its own memory.
 */
export class ShardBuffer<V extends Uint8Array | Float32Array> {
  /** Number of features. */
  readonly width: number
  private readonly rows: number
  private readonly shares: Shares
  private readonly parts: ReadonlyMap<number, Part<V>>
  /** The part that has all rows, in their order, if there is one. */
  private readonly only: Part<V> | undefined

  /** @param columns the further columns that `put` fills */
  constructor(
    shares: Shares,
    rows: number,
    width: number,
    allocate: (length: number) => V,
    columns: readonly PerRowName[] = [],
  ) {
    this.width = width
    this.rows = rows
    this.shares = shares
    this.parts = new Map(
      shares.own.map((shard) => {
        const count = rowsBefore(rows, shard, shares.shards)
        return [shard, { values: allocate(count * width), labels: new Int32Array(count), ...newPerRow(count, columns) }]
      }),
    )
    if (shares.shards === 1) this.only = this.parts.get(0)
  }

  /**
   * Keeps row `i` if it belongs to a shard of this process. Throws a PipelineError `DATA` if its weight is negative or not
   * finite.
   *
   * @param row its number in its source, for the column `row`
   * @param weight its weight, for the column `weight`
   */
  put(i: number, values: ArrayLike<number>, label: number, row = i, weight = 1): void {
    const { shards } = this.shares
    const part = this.parts.get(i % shards)
    if (!part) return
    const at = Math.floor(i / shards)
    part.values.set(values, at * this.width)
    this.putRest(part, at, label, row, weight)
  }

  /**
   * Keeps rows that lie one after the other, from row `i` on, as `put` would one by one.
   *
   * @param labels the label of each of them; they tell how many there are
   */
  putRows(i: number, values: V, labels: Int32Array | Uint8Array): void {
    const { only } = this
    if (only && !only.row && !only.weight) {
      only.values.set(values, i * this.width)
      only.labels.set(labels, i)
    } else
      for (const [at, label] of labels.entries())
        this.put(i + at, values.subarray(at * this.width, (at + 1) * this.width), label)
  }

  /** Does what `put` does with the values that begin at `from`, which have the type of the kept ones. */
  putFrom(i: number, values: Uint8Array | Float32Array, from: number, label: number, row = i, weight = 1): void {
    const { shards } = this.shares
    const part = this.parts.get(i % shards)
    if (!part) return
    const at = Math.floor(i / shards)
    copyNumbers(values, from, this.width, part.values, at * this.width)
    this.putRest(part, at, label, row, weight)
  }

  /**
   * Copies the values of `count` rows that lie one after the other, as `putFrom` does, and says whether it did: not if the rows
   * go to several shards. Each row then needs `putLabel`.
   */
  copyRun(i: number, values: Uint8Array | Float32Array, from: number, count: number): boolean {
    const only = this.only
    only?.values.set(values.subarray(from, from + count * this.width), i * this.width)
    return only !== undefined
  }

  /** Keeps what a row has beside the values that `copyRun` copied. */
  putLabel(i: number, label: number, row: number, weight: number): void {
    this.putRest(this.only!, i, label, row, weight)
  }

  private putRest(part: Part<V>, at: number, label: number, row: number, weight: number): void {
    part.labels[at] = label
    if (part.row) part.row[at] = row
    if (!part.weight) return
    part.weight[at] = weight
    if (!isWeight(part.weight[at]!))
      throw new PipelineError('DATA', `row ${row}: expected a weight of 0 or more that float32 can hold, got ${weight}`)
  }

  /** Makes one table per shard of this process. */
  *tables(fields: readonly [Field, Field], split: string): Generator<Table> {
    const { isDivided, shards } = this.shares
    for (const [shard, { values, labels, ...perRow }] of this.parts) {
      const share = isDivided ? { shard, shards, rows: this.rows } : undefined
      yield examplesTable(fields, values, labels, split, undefined, share, perRow)
    }
  }
}

/** Copies `count` numbers, one by one if they are few: a view takes longer than they do. */
export function copyNumbers(
  from: Uint8Array | Float32Array,
  start: number,
  count: number,
  to: Uint8Array | Float32Array,
  at: number,
): void {
  if (count > MOST_COPIED) to.set(from.subarray(start, start + count), at)
  else for (let j = 0; j < count; j++) to[at + j] = from[start + j]!
}

/** Returns the share of a split that a table holds, or undefined if the run is not divided. */
export function shareOf(table: Table): Share | undefined {
  const { metadata } = table.schema
  const [shard, shards, rows] = ['shard', 'shards', 'rows'].map((key) => metadata.get(key))
  return shards === undefined ? undefined : { shard: Number(shard), shards: Number(shards), rows: Number(rows) }
}

/**
 * Returns the rows of a split by shard: one entry per shard of this process, in order, with one piece of rows per
 * table. A divided run has one table per shard. Throws a PipelineError `DATA` if a shard did not arrive or has a wrong
 * number of rows.
 */
export function rowsByShard(
  tables: readonly Table[],
  split: string,
  { isDivided, shards, own }: Shares,
): ExampleRows[][] {
  if (!isDivided) return [tables.map(kernelRows)]
  const found = new Map<number, ExampleRows>()
  let all: number | undefined
  for (const table of tables) {
    const share = shareOf(table)
    if (share?.shards !== shards)
      throw new PipelineError('DATA', `the split "${split}" came undivided, expected ${shards} shards`)
    const rows = kernelRows(table)
    all ??= share.rows
    const expected = rowsBefore(all, share.shard, shards)
    if (found.has(share.shard) || rows.labels.length !== expected || share.rows !== all)
      throw new PipelineError(
        'DATA',
        `shard ${share.shard} of the split "${split}": expected one table of ${expected} rows, ` +
          `found ${found.has(share.shard) ? 'a second one' : rows.labels.length}`,
      )
    found.set(share.shard, rows)
  }
  return own.map((shard) => {
    const rows = found.get(shard)
    if (!rows) throw new PipelineError('DATA', `shard ${shard} of ${shards} of the split "${split}" did not arrive`)
    return [rows]
  })
}

/**
 * Makes a batch with one record batch per shard of this process. In a divided run, its metadata has its place in the
 * split: `first` is its first row, `rows` is its number of rows on all ranks.
 */
export function batchOfShards(
  fields: readonly [Field, Field],
  parts: readonly ExampleRows[],
  split: string,
  position: Position,
  extent: { readonly first: number; readonly rows: number },
  { isDivided }: Pick<Parallel, 'isDivided'>,
): Table {
  const [first] = parts
  if (!isDivided) return examplesTable(fields, first!.values, first!.labels, split, position, undefined, first)
  const metadata = writePosition(new Map([['wire', 'batch']]), position)
  metadata.set('split', split).set('first', String(extent.first)).set('rows', String(extent.rows))
  const schema = new Schema([...fields, ...perRowFields(first)], metadata)
  return new Table(
    schema,
    parts.map(({ values, labels, ...rest }) => new RecordBatch(schema, examplesData(fields, values, labels, rest))),
  )
}

/**
 * Returns the first row of a batch in its split, and its number of rows on all ranks. Without this metadata, the batch
 * begins at row 0 and the table holds all its rows.
 */
export function extentOf(table: Table): { readonly first: number; readonly rows: number } {
  const { metadata } = table.schema
  return { first: Number(metadata.get('first') ?? 0), rows: Number(metadata.get('rows') ?? table.numRows) }
}
