import { type Field, Schema, type Table } from 'apache-arrow'
import type { Parallel } from '../stage/parallel-contract.js'
import { LazyTable } from './arrow-internals.js'
import { examplesTable, kernelRows, layoutOf } from './examples.js'
import { type ExampleRows, newPerRow, type PerRowName, perRowFields, perRowOf, slicePerRow } from './per-row.js'
import { type Position, writePosition } from './position.js'
import { rowsByShard } from './shares.js'

/** Rows of a split that lie in a file. Each reading returns new memory, unless it is given some. */
export interface RowSource {
  /** Number of rows. */
  readonly rows: number
  /** Features of a row. */
  readonly width: number
  /** Bytes of a row in memory. */
  readonly rowBytes: number
  /** The number of rows of each class. */
  readonly counts: readonly number[]
  /** The columns beside features and labels. */
  readonly perRow: readonly PerRowName[]
  /**
   * Reads the rows `from … to - 1`. Rejects with a PipelineError `DATA` if the file is damaged.
   *
   * @param space memory for the features, if it is large enough
   */
  read(from: number, to: number, space?: ArrayBufferLike): Promise<ExampleRows>
  /** Does what `read` does while everything else waits. */
  readNow(from: number, to: number): ExampleRows
  /** Reads what the rows `from … to - 1` have beside their features. */
  marks(from: number, to: number): Promise<Omit<ExampleRows, 'values' | 'affine'>>
  /** Reads rows by their numbers, in the order given, as `read` does. */
  pick(rows: Uint32Array, space?: ArrayBufferLike): Promise<ExampleRows>
  /** Does what `pick` does while everything else waits. */
  pickNow(rows: Uint32Array): ExampleRows
}

/** What a table of unread rows is made of. */
export interface Unread {
  /** Features and label, as in the table once it is read. */
  readonly fields: readonly [Field, Field]
  /** What reads the rows. */
  readonly source: RowSource
  /** The first row in the source. */
  readonly from: number
  /** The row behind the last one. */
  readonly to: number
  /** The split of the rows. */
  readonly split: string
  /** The position of the table in the run. */
  readonly position?: Position | undefined
  /** Called before rows are read because a stage took them without asking. Throws if memory does not allow it. */
  readonly admit?: ((bytes: number) => void) | undefined
}

/**
 * A table of examples whose rows are not in memory yet. A stage that knows of it (`unreadOf`) reads what it needs; for any
 * other stage the rows are read when it looks at them.
 */
class UnreadTable extends LazyTable {
  readonly unread: Unread
  readonly position: Position | undefined

  constructor(unread: Unread) {
    super()
    this.unread = unread
    const { position } = unread
    if (position) this.position = position
  }

  /** Made when somebody looks at it: most batches are read before. */
  get schema(): Schema {
    const { fields, source, split, position } = this.unread
    const metadata = new Map([
      ['wire', position ? 'batch' : 'examples'],
      ['split', split],
    ])
    if (position) writePosition(metadata, position)
    const schema = new Schema([...fields, ...perRowFields(newPerRow(0, source.perRow))], metadata)
    Object.defineProperty(this, 'schema', { value: schema, configurable: true })
    return schema
  }

  /** Number of rows. */
  get numRows(): number {
    return this.unread.to - this.unread.from
  }

  private isAdmitted = false

  /** Takes the memory of the rows, once. */
  admit(): void {
    const { admit, source, from, to } = this.unread
    if (!this.isAdmitted) admit?.((to - from) * source.rowBytes)
    this.isAdmitted = true
  }

  protected override makeTable(): Table {
    const { source, from, to } = this.unread
    this.admit()
    return readTable(this.unread, source.readNow(from, to))
  }

  /** The same rows at another position; `reposition` calls it. */
  moved(position: Position): Table {
    return new UnreadTable({ ...this.unread, position }) as unknown as Table
  }
}

function readTable({ fields, split, position }: Unread, rows: ExampleRows): Table {
  return examplesTable(fields, rows.values, rows.labels, split, position, undefined, perRowOf(rows))
}

/** Makes the table of a split whose rows lie in a file. */
export function unreadTable(
  fields: readonly [Field, Field],
  source: RowSource,
  split: string,
  admit: (bytes: number) => void,
): Table {
  return new UnreadTable({ fields, source, from: 0, to: source.rows, split, admit }) as unknown as Table
}

/** Makes a batch of the rows `from … to - 1` of a file. */
export function unreadBatch(
  fields: readonly [Field, Field],
  source: RowSource,
  from: number,
  to: number,
  split: string,
  position: Position,
): Table {
  return new UnreadTable({ fields, source, from, to, split, position }) as unknown as Table
}

/** The file that the rows of a table lie in, and where; undefined if they are in memory. */
export function unreadOf(table: Table): Unread | undefined {
  return table instanceof UnreadTable ? table.unread : undefined
}

/**
 * Takes the memory that a table needs when its rows are read at once; for a stage that does so much later. Throws a
 * PipelineError `DATA` if `memory:` does not allow it. Rows that are in memory need none.
 */
export function admitRows(table: Table): void {
  if (table instanceof UnreadTable) table.admit()
}

/** The file that all rows of a split lie in; undefined if they are in memory. Its rows carry the map still to be applied. */
export function rowSourceOf(table: Table): RowSource | undefined {
  const source = unreadOf(table)?.source
  if (!source) return undefined
  const { affine } = layoutOf(table)
  return affine ? mappedSource(source, (rows) => ({ ...rows, affine })) : source
}

/** Rows in memory, or the file that they lie in. */
export type RowsOrSource = ExampleRows | RowSource

/** Whether rows lie in a file. */
export function isInFile(rows: RowsOrSource): rows is RowSource {
  return 'read' in rows
}

/**
 * The rows of a split by shard, as `rowsByShard` gives them, which throws what it throws. Rows that lie in a file stay there;
 * a divided run has none of these.
 */
export function rowsOrSourcesByShard(tables: readonly Table[], split: string, parallel: Parallel): RowsOrSource[][] {
  if (parallel.isDivided) return rowsByShard(tables, split, parallel)
  return [tables.map((table) => rowSourceOf(table) ?? kernelRows(table))]
}

/** The same rows, changed by a function at each reading. */
export function mappedSource(
  source: RowSource,
  map: (rows: ExampleRows) => ExampleRows,
  rowBytes = source.rowBytes,
): RowSource {
  return {
    ...source,
    rowBytes,
    read: async (from, to, space) => map(await source.read(from, to, space)),
    readNow: (from, to) => map(source.readNow(from, to)),
    pick: async (rows, space) => map(await source.pick(rows, space)),
    pickNow: (rows) => map(source.pickNow(rows)),
  }
}

/** Bytes of picked rows that are read at a time for what they have beside their features. */
const MARKED = 1 << 20

/**
 * Some rows of a source, in another order.
 *
 * @param order the numbers of the rows
 * @param counts the number of these rows of each class
 * @param isNumbered whether rows have their number in the source as `row` if they have no such column
 */
export function pickedSource(
  source: RowSource,
  order: Uint32Array,
  counts: readonly number[],
  isNumbered = false,
): RowSource {
  const isAdded = isNumbered && !source.perRow.includes('row')
  const numbered = <R>(rows: R, picked: Uint32Array): R => (isAdded ? { ...rows, row: Int32Array.from(picked) } : rows)
  const pick = async (picked: Uint32Array, space?: ArrayBufferLike): Promise<ExampleRows> =>
    numbered(await source.pick(picked, space), picked)
  const pickNow = (picked: Uint32Array): ExampleRows => numbered(source.pickNow(picked), picked)
  const through = (rows: Uint32Array): Uint32Array => rows.map((row) => order[row]!)
  const perRow: readonly PerRowName[] = isAdded ? ['row', ...source.perRow] : source.perRow

  /** Rows are picked with their features, so few at a time. */
  async function marks(from: number, to: number): Promise<Omit<ExampleRows, 'values' | 'affine'>> {
    const all = { labels: new Int32Array(to - from), ...newPerRow(to - from, perRow) }
    const step = Math.max(1, Math.floor(MARKED / source.rowBytes))
    for (let at = from; at < to; at += step) {
      const { labels, row, weight } = await pick(order.subarray(at, Math.min(to, at + step)))
      all.labels.set(labels, at - from)
      all.row?.set(row!, at - from)
      all.weight?.set(weight!, at - from)
    }
    return all
  }

  return {
    rows: order.length,
    width: source.width,
    rowBytes: source.rowBytes + (isAdded ? 4 : 0),
    counts,
    perRow,
    read: (from, to, space) => pick(order.subarray(from, to), space),
    readNow: (from, to) => pickNow(order.subarray(from, to)),
    marks,
    pick: (rows, space) => pick(through(rows), space),
    pickNow: (rows) => pickNow(through(rows)),
  }
}

/** The table of another split layout over the same file. */
export function withSource(table: Table, fields: readonly [Field, Field], source: RowSource): Table {
  return new UnreadTable({ ...unreadOf(table)!, fields, source }) as unknown as Table
}

/** The batch, with these rows in memory. */
export function batchWith(table: Table, rows: ExampleRows): Table {
  return readTable(unreadOf(table)!, rows)
}

/**
 * The rows of a file, `step` at a time. The next ones are read while the caller works on these.
 *
 * @param areBorrowed whether the caller is done with rows when it asks for the next ones: their memory is then used again
 */
export async function* windowsOf(source: RowSource, step: number, areBorrowed = false): AsyncGenerator<ExampleRows> {
  const bytes = Math.min(step, source.rows) * source.rowBytes
  const spaces = areBorrowed ? [0, 1].map(() => Buffer.allocUnsafeSlow(bytes).buffer) : []
  const read = (from: number): Promise<ExampleRows> => {
    const reading = source.read(from, Math.min(from + step, source.rows), spaces[(from / step) % 2])
    // It is awaited later; until then a failure is nobody's.
    reading.catch(() => {})
    return reading
  }
  let next = read(0)
  for (let from = 0; from < source.rows; from += step) {
    const now = await next
    if (from + step < source.rows) next = read(from + step)
    yield now
  }
}

/** The most bytes that are read while everything else waits: a disk answers in less time than a thread does. */
const SMALL = 1 << 16

/** The most readings under way. */
const MOST_READINGS = 8

/** Batches that one reading gets. */
interface Reading {
  readonly tables: readonly Table[]
  rows: ExampleRows | Promise<ExampleRows>
  /** The first row, in the file. */
  readonly from: number
  /** The next batch to emit. */
  at: number
  /** Bytes of the rows. */
  readonly bytes: number
  /** Memory that may be used again once the last batch is emitted. */
  readonly space?: ArrayBufferLike | undefined
}

/**
 * Reads batches before they are needed. Batches that lie one after the other in the file are read together. At most three
 * readings of `window` bytes are in memory, beside the batches that stages below still hold. Tables in memory pass.
 *
 * @param areBorrowed whether nobody keeps a batch: memory is then used again, and not left to the garbage collector, which
 * takes as long for it as some kernels for their steps
 */
export function readAhead(tables: Iterable<Table>, window: number, areBorrowed = false): AsyncIterable<Table> {
  const items = tables[Symbol.iterator]()
  let pending = items.next()
  const queue: Reading[] = []
  /** Memory that is free, and that of the batches of which the last one was emitted last. */
  const spaces: ArrayBufferLike[] = []
  let spent: ArrayBufferLike | undefined

  /** Memory that nobody uses. */
  function spaceFor(bytes: number): ArrayBufferLike {
    const at = spaces.findIndex(({ byteLength }) => byteLength >= bytes)
    return at < 0 ? Buffer.allocUnsafeSlow(bytes).buffer : spaces.splice(at, 1)[0]!
  }

  /** The next batches that one reading gets; undefined at the end. */
  function take(): void {
    if (pending.done) return
    const first = pending.value
    const unread = unreadOf(first)
    pending = items.next()
    const group = [first]
    if (!unread) return void queue.push({ tables: group, rows: undefined as never, from: 0, at: 0, bytes: 0 })
    let { to } = unread
    while (!pending.done) {
      const next = unreadOf(pending.value)
      if (!next || next.source !== unread.source || next.from !== to) break
      if ((next.to - unread.from) * unread.source.rowBytes > window) break
      to = next.to
      group.push(pending.value)
      pending = items.next()
    }
    const { source, from } = unread
    const bytes = (to - from) * source.rowBytes
    const isSmall = bytes <= SMALL
    const space = isSmall || !areBorrowed ? undefined : spaceFor(bytes)
    const rows = isSmall ? source.readNow(from, to) : source.read(from, to, space)
    // It is awaited later; until then a failure is nobody's.
    if (rows instanceof Promise) rows.catch(() => {})
    queue.push({ tables: group, rows, from, at: 0, bytes, space })
  }

  function cut(): IteratorResult<Table> {
    const head = queue[0]!
    const table = head.tables[head.at++]!
    const { unread, rows } = { unread: unreadOf(table), rows: head.rows as ExampleRows }
    const isLast = head.at === head.tables.length
    if (isLast) queue.shift()
    if (!unread) return { done: false, value: table }
    if (isLast) spent = head.space
    const [start, end] = [unread.from - head.from, unread.to - head.from]
    const width = unread.source.width
    const value = batchWith(table, {
      ...slicePerRow(rows, start, end),
      values: rows.values.subarray(start * width, end * width),
      labels: rows.labels.subarray(start, end),
    })
    return { done: false, value }
  }

  function next(): IteratorResult<Table> | Promise<IteratorResult<Table>> {
    if (spent) spaces.push(spent)
    spent = undefined
    const bytes = (): number => queue.reduce((sum, reading) => sum + reading.bytes, 0)
    while (!pending.done && (queue.length < 2 || (queue.length < MOST_READINGS && bytes() < window))) take()
    const head = queue[0]
    if (!head) return { done: true, value: undefined }
    if (!(head.rows instanceof Promise)) return cut()
    return head.rows.then((rows) => {
      head.rows = rows
      return cut()
    })
  }

  const iterator = { next, return: () => items.return?.() ?? { done: true, value: undefined } }
  return { [Symbol.asyncIterator]: () => iterator as unknown as AsyncIterator<Table> }
}
