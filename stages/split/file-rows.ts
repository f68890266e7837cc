import type { Table } from 'apache-arrow'
import {
  countsOf,
  examplesTable,
  fieldsOf,
  isGrowing,
  layoutOf,
  listed,
  perRowOf,
  pickedSource,
  type RowSource,
  type StageContext,
  splitOf,
  splitTables,
  turn,
  unreadOf,
  windowsOf,
} from '../../pipeline/stage-kit.js'
import type { RowsToDeal } from './gathered.js'
import { type GroupOption, keysIn } from './keys.js'

/** Bytes of memory for each row: while rows are dealt, for their keys, and for their order, which stays. */
const PER_ROW = { dealt: 12, keys: 20, order: 4 }

/** Rows whose labels are read at a time. */
const MARKS = 1 << 18

/** Bytes of a table for a stage that takes rows in pieces. */
const PIECE = 4 << 20

/** Behind the names of splits. */
const MIXED =
  'are read from a file in random order, which is slow if the file is larger than the memory of the machine; in front of ' +
  'cache/arrow, this stage has the cache keep them in their order'

/** Rows that lie in a file. Their labels, numbers and keys are in memory while they are dealt, their order from then on. */
export class FileRows implements RowsToDeal {
  /** See `RowsToDeal`. */
  readonly labels: Int32Array
  /** See `RowsToDeal`. */
  readonly numbers: Int32Array | undefined
  private readonly table: Table
  private readonly source: RowSource
  private readonly context: StageContext
  private readonly inPieces: boolean
  private taken = 0

  private constructor(table: Table, source: RowSource, context: StageContext, inPieces: boolean) {
    this.table = table
    this.source = source
    this.context = context
    this.inPieces = inPieces
    this.labels = new Int32Array(source.rows)
    this.numbers = source.perRow.includes('row') ? new Int32Array(source.rows) : undefined
  }

  /**
   * Reads what must be known of all rows. Rejects with a PipelineError `DATA` if the memory of the run does not allow it.
   *
   * @param table a table with the fields of the rows
   * @param inPieces whether the new splits are given in tables of a few megabytes
   */
  static async open(table: Table, source: RowSource, context: StageContext, inPieces: boolean): Promise<FileRows> {
    const all = new FileRows(table, source, context, inPieces)
    all.take(PER_ROW.dealt)
    for (let from = 0; from < source.rows; from += MARKS) {
      const { labels, row } = await source.marks(from, Math.min(source.rows, from + MARKS))
      all.labels.set(labels, from)
      all.numbers?.set(row!, from)
      await turn(context)
    }
    return all
  }

  /** See `RowsToDeal`. */
  async keys(group: GroupOption): Promise<Float64Array> {
    this.take(PER_ROW.keys)
    const { source, context, table } = this
    const keys = new Float64Array(source.rows)
    let at = 0
    for await (const { values, labels } of windowsOf(source, rowsIn(context.memory.window, source), true)) {
      await keysIn(values, keys.subarray(at, at + labels.length), layoutOf(table), group, context)
      at += labels.length
    }
    return keys
  }

  /** See `RowsToDeal`. */
  async *gathered(parts: ReadonlyMap<string, Uint32Array>): AsyncGenerator<Table> {
    const { table, source, context, labels } = this
    const fields = fieldsOf(table)
    const classes = layoutOf(table).classes.length
    const splits = [...parts].map(([name, order]) => {
      const counts = countsOf([Int32Array.from(order, (row) => labels[row]!)], classes)
      return { name, fields, source: pickedSource(source, order, counts, true) }
    })
    const order = splits.reduce((sum, { source }) => sum + source.rows, 0) * PER_ROW.order
    context.memory.give(this.taken - order)
    this.taken = order
    if (!this.inPieces) {
      const tables = await splitTables(splits, context)
      const mixed = tables.flatMap((table) =>
        unreadOf(table) && !isGrowing(parts.get(splitOf(table))!) ? [splitOf(table)] : [],
      )
      if (mixed.length > 0) context.note(`the rows of ${listed(mixed, 'and')} ${MIXED}`)
      yield* tables
      return
    }
    for (const { name, source } of splits)
      for await (const rows of windowsOf(source, rowsIn(PIECE, source)))
        yield examplesTable(fields, rows.values, rows.labels, name, undefined, undefined, perRowOf(rows))
    context.memory.give(this.taken)
  }

  private take(perRow: number): void {
    const bytes = perRow * this.source.rows
    this.context.memory.take(bytes, `the splits of ${this.source.rows} rows`, 'raise memory (--memory)')
    this.taken += bytes
  }
}

function rowsIn(bytes: number, { rowBytes }: RowSource): number {
  return Math.max(1, Math.floor(bytes / rowBytes))
}
