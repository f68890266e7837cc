import type { Table } from 'apache-arrow'

/** Where in the run a table belongs; written to the metadata of its schema. */
export interface Position {
  readonly epoch: number
  /** Steps done since the run began, this one included. */
  readonly step: number
  /** Epochs of the whole run, and steps of one epoch. */
  readonly epochs: number
  readonly steps: number
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
