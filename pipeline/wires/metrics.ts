import { Field, Float64, Int32, makeData, RecordBatch, Schema, Struct, Table } from 'apache-arrow'
import { int32Of, lazyTable, type Position, writePosition } from './position.js'

/** One evaluation: `epoch`, `step`, then one number per metric. `Name` is the union of the names of the metrics. */
export type MetricsRow<Name extends string = string> = {
  readonly epoch: number
  readonly step: number
} & Readonly<Record<Name, number>>

/** The metadata of a column of metrics. The stage that makes the column sets it; `run.json` keeps it as `metrics`. */
export interface MetricInfo {
  /** The split that the metric was computed on; left out for a metric of no split. */
  readonly split?: string
  /** The metric without its split: `accuracy`. Columns of one metric share a figure. */
  readonly name: string
  /** The title for reports and figures. */
  readonly title: string
  /** `share` for values from 0 to 1 that are shown as per cent, else any text. */
  readonly unit?: string
  /** Which direction is better; left out if neither is. */
  readonly better?: 'higher' | 'lower'
}

/** The metadata of metrics, by the names of their columns. */
export type MetricInfos = Readonly<Record<string, MetricInfo>>

const knownRows = new WeakMap<Table, readonly MetricsRow[]>()
const knownInfos = new WeakMap<Table, MetricInfos>()

/**
 * Makes a `metrics` table of one row. Most stages read only the row (`metricsRows`), which already exists. The Arrow
 * columns are made on first access.
 *
 * @param infos the metadata of the columns, by name. A metric without `better` cannot be monitored.
 */
export function metricsTable(
  position: Position,
  metrics: Readonly<Record<string, number>>,
  infos: MetricInfos = {},
): Table {
  const table = lazyTable(position, () => columnsOf(position, metrics, infos))
  knownRows.set(table, [{ epoch: position.epoch, step: position.step, ...metrics }])
  knownInfos.set(table, infos)
  return table
}

function columnsOf(position: Position, metrics: Readonly<Record<string, number>>, infos: MetricInfos): Table {
  const integers = (['epoch', 'step'] as const).map((name) => ({
    field: new Field(name, new Int32(), false),
    data: makeData({ type: new Int32(), data: Int32Array.of(int32Of(name, position[name])), nullCount: 0 }),
  }))
  const numbers = Object.entries(metrics).map(([name, value]) => ({
    field: new Field(name, new Float64(), false, new Map(Object.entries(infos[name] ?? {}))),
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

/**
 * Returns the rows of a `metrics` table as objects, keys in the order of the columns. All callers share the objects.
 */
export function metricsRows(table: Table): readonly MetricsRow[] {
  let rows = knownRows.get(table)
  if (!rows) {
    rows = readRows(table)
    knownRows.set(table, rows)
  }
  return rows
}

/** Returns the metadata of the columns of a `metrics` table, by name. Columns without metadata are left out. */
export function metricInfosOf(table: Table): MetricInfos {
  let infos = knownInfos.get(table)
  if (!infos) {
    const described = table.schema.fields.filter(({ metadata }) => metadata.has('name') && metadata.has('title'))
    infos = Object.fromEntries(
      described.map(({ name, metadata }) => [name, Object.fromEntries(metadata) as unknown as MetricInfo]),
    )
    knownInfos.set(table, infos)
  }
  return infos
}

function readRows(table: Table): MetricsRow[] {
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(table.schema.names.map((name) => [name, Number(table.getChild(name)!.get(i))])),
  ) as MetricsRow[]
}
