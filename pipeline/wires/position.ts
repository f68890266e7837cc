import { Schema, Table } from 'apache-arrow'

/** Where in the run a table belongs; written to the metadata of its schema. */
export interface Position {
  readonly epoch: number
  /** Steps done since the run began, this one included. */
  readonly step: number
  /** Epochs of the whole run, and steps of one epoch. */
  readonly epochs: number
  readonly steps: number
}

/** What a table is, behind its types: all that differs between a table and one with other metadata is the schema. */
interface Fields {
  schema: Schema
  batches: Table['batches']
  _offsets: unknown
}

/**
 * The same table with other metadata. Arrow's constructor would check the batches against the schema and count rows
 * anew, for a microsecond each time; both are known to be as they were.
 */
export function withMetadata(table: Table, metadata: Map<string, string>): Table {
  const copy: Fields = Object.create(Table.prototype)
  copy.schema = new Schema(table.schema.fields, metadata)
  copy.batches = table.batches
  copy._offsets = (table as unknown as Fields)._offsets
  return copy as unknown as Table
}

/** Puts a position into the metadata of a schema. */
export function writePosition(metadata: Map<string, string>, position: Position): Map<string, string> {
  metadata.set('epoch', String(position.epoch))
  metadata.set('step', String(position.step))
  metadata.set('epochs', String(position.epochs))
  return metadata.set('steps', String(position.steps))
}

export function positionOf(table: Table): Position {
  const read = (key: string): number => Number(table.schema.metadata.get(key) ?? 0)
  return { epoch: read('epoch'), step: read('step'), epochs: read('epochs'), steps: read('steps') }
}

/** True for the last step of an epoch. */
export function endsEpoch({ step, steps }: Position): boolean {
  return steps > 0 && step > 0 && step % steps === 0
}
