import { Schema, type Table } from 'apache-arrow'
import { LazySchemaTable, LazyTable } from './arrow-internals.js'

/** The place of a table in the run. It is stored in the metadata of the table's schema. */
export interface Position {
  /** Number of the epoch, from 1. It is 0 before training. */
  readonly epoch: number
  /** Number of steps since the run began, including this one. */
  readonly step: number
  /** Number of epochs of the whole run. */
  readonly epochs: number
  /** Number of steps in one epoch. */
  readonly steps: number
}

/**
 * The rows of a table at another position. Such a table is made for every step on every wire, and hardly any stage
 * reads its schema. Making all these schemas took more time than everything else around the kernels.
 */
class RepositionedTable extends LazySchemaTable {
  private readonly base: Table
  readonly position: Position
  readonly numbers: Readonly<Record<string, number>>

  constructor(base: Table, position: Position, numbers: Readonly<Record<string, number>>) {
    super(base)
    this.base = base
    this.position = position
    this.numbers = numbers
  }

  protected override makeSchema(): Schema {
    const { fields, metadata, dictionaries } = this.base.schema
    const changed = writePosition(new Map(metadata), this.position)
    for (const [key, value] of Object.entries(this.numbers)) changed.set(key, String(value))
    return new Schema(fields, changed, dictionaries)
  }
}

const none = {}

/**
 * Returns a table with the rows of `base` at another position. The rows are not copied. `numbers` are added to the
 * metadata of the schema.
 */
export function reposition(base: Table, position: Position, numbers: Readonly<Record<string, number>> = none): Table {
  // A batch whose rows are still in a file must not be read for this.
  const { moved } = base as unknown as { moved?: (position: Position) => Table }
  if (moved) return moved.call(base, position)
  return new RepositionedTable(base, position, numbers) as unknown as Table
}

/** A table whose position is known before its rows are made. */
class PositionedTable extends LazyTable {
  readonly position: Position
  protected override readonly makeTable: () => Table

  constructor(position: Position, makeTable: () => Table) {
    super()
    this.position = position
    this.makeTable = makeTable
  }
}

/** Returns a table that calls `makeTable` on the first access to its rows or its schema. */
export function lazyTable(position: Position, makeTable: () => Table): Table {
  return new PositionedTable(position, makeTable) as unknown as Table
}

/** Returns a number from the metadata of a table, or `missing` if it has no such key. */
export function numberOf(table: Table, key: string, missing = 0): number {
  const { numbers } = table as unknown as Partial<RepositionedTable>
  return numbers?.[key] ?? Number(table.schema.metadata.get(key) ?? missing)
}

/** Returns a number for an int32 column. Throws a RangeError if it does not fit: it would wrap to a negative number. */
export function int32Of(name: string, value: number): number {
  if (value < 2 ** 31) return value
  throw new RangeError(`${name} is ${value}: the column of an Arrow table has 32 bits, ${2 ** 31 - 1} at most`)
}

/** Writes a position into the metadata of a schema, and returns the metadata. */
export function writePosition(metadata: Map<string, string>, position: Position): Map<string, string> {
  metadata.set('epoch', String(position.epoch))
  metadata.set('step', String(position.step))
  metadata.set('epochs', String(position.epochs))
  return metadata.set('steps', String(position.steps))
}

/** Returns the position of a table. All its numbers are 0 if the table has none. */
export function positionOf(table: Table): Position {
  const { position } = table as unknown as Partial<RepositionedTable>
  if (position) return position
  const [epoch, step, epochs, steps] = ['epoch', 'step', 'epochs', 'steps'].map((key) => numberOf(table, key))
  return { epoch: epoch!, step: step!, epochs: epochs!, steps: steps! }
}
