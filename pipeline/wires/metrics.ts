import { Field, Float64, Int32, makeData, RecordBatch, Schema, Struct, Table } from 'apache-arrow'
import { type Position, tableWhenSeen, writePosition } from './position.js'

/** One evaluation: `epoch`, `step`, then one number per metric. */
export type MetricsRow = { readonly epoch: number; readonly step: number } & Readonly<Record<string, number>>

/** What a column of the metrics means. The stage that makes the column says it; `run.json` keeps it as `metrics`. */
export interface MetricInfo {
  /** The split that the metric was computed on, for example `validation`; absent for a metric of no split. */
  split?: string
  /** The metric without its split, for example `accuracy`. Columns of one metric share a figure. */
  name: string
  /** The metric as people read it, without its split: `accuracy`, `area under the curve`. */
  title: string
  /** `share` for values from 0 to 1 that are shown in per cent, else any text, for example `kg`. */
  unit?: string
  /** Which direction is better; absent if neither is. */
  better?: 'higher' | 'lower'
}

const known = new WeakMap<Table, readonly MetricsRow[]>()

/**
 * A `metrics` table of one row. Most who receive it want the row (`metricsRows`), which is at hand; the columns are made
 * for those who look at them.
 */
export function metricsTable(position: Position, metrics: Readonly<Record<string, number>>): Table {
  const table = tableWhenSeen(position, () => columnsOf(position, metrics))
  known.set(table, [{ epoch: position.epoch, step: position.step, ...metrics }])
  return table
}

function columnsOf(position: Position, metrics: Readonly<Record<string, number>>): Table {
  const integers = (['epoch', 'step'] as const).map((name) => ({
    field: new Field(name, new Int32(), false),
    data: makeData({ type: new Int32(), data: Int32Array.of(position[name]), nullCount: 0 }),
  }))
  const numbers = Object.entries(metrics).map(([name, value]) => ({
    field: new Field(name, new Float64(), false),
    data: makeData({ type: new Float64(), data: Float64Array.of(value), nullCount: 0 }),
  }))
  const columns = [...integers, ...numbers]
  const fields = columns.map(({ field }) => field)
  const schema = new Schema(fields, writePosition(new Map([['wire', 'metrics']]), position))
  const children = columns.map(({ data }) => data)
  return new Table(schema, [
    new RecordBatch(schema, makeData({ type: new Struct(fields), length: 1, nullCount: 0, children })),
  ])
}

/** The rows of a `metrics` table as objects, columns in their order: the same objects for everybody. */
export function metricsRows(table: Table): readonly MetricsRow[] {
  let rows = known.get(table)
  if (!rows) {
    rows = readRows(table)
    known.set(table, rows)
  }
  return rows
}

function readRows(table: Table): MetricsRow[] {
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(table.schema.names.map((name) => [name, Number(table.getChild(name)!.get(i))])),
  ) as MetricsRow[]
}

/** Whether `value` is better than `best` by more than `margin`: accuracies grow, everything else shrinks. */
export function isBetter(name: string, value: number, best: number | undefined, margin = 0): boolean {
  if (Number.isNaN(value)) return false
  if (best === undefined) return true
  return name.endsWith('accuracy') ? value > best + margin : value < best - margin
}
