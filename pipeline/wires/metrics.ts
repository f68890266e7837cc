import { Field, RecordBatch, Schema, Table, tableFromArrays } from 'apache-arrow'
import { type Position, writePosition } from './position.js'

/** One evaluation: `epoch`, `step`, then one number per metric. */
export type MetricsRow = { readonly epoch: number; readonly step: number } & Readonly<Record<string, number>>

export function metricsTable(position: Position, metrics: Readonly<Record<string, number>>): Table {
  const columns = Object.entries(metrics).map(([name, value]): [string, Float64Array] => [name, Float64Array.of(value)])
  const made = tableFromArrays({
    epoch: Int32Array.of(position.epoch),
    step: Int32Array.of(position.step),
    ...Object.fromEntries(columns),
  })
  const fields = made.schema.fields.map((field) => new Field(field.name, field.type, false))
  const schema = new Schema(fields, writePosition(new Map([['wire', 'metrics']]), position))
  return new Table(
    schema,
    made.batches.map((batch) => new RecordBatch(schema, batch.data)),
  )
}

/** The rows of a `metrics` table as objects, columns in their order. */
export function metricsRows(table: Table): MetricsRow[] {
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(table.schema.names.map((name) => [name, Number(table.getChild(name)!.get(i))])),
  ) as MetricsRow[]
}
