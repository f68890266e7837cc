import type { Table } from 'apache-arrow'
import { metricColumns } from '../wires/metric-info.js'
import { type MetricInfos, type MetricsRow, metricInfosOf, metricsRows } from '../wires/metrics.js'
import type { LiveMetrics } from './contract.js'

/** The most values of a curve. */
const LONGEST = 120

/** The rows of one stage, thinned out. */
interface Curve {
  rows: MetricsRow[]
  /** Every so many rows, one is kept. */
  every: number
  count: number
  last: MetricsRow
  infos: MetricInfos
}

/** Keeps the metrics of a run for its live state. However long the run is, a bounded number of rows is kept. */
export class MetricCurves {
  private readonly stages = new Map<string, Curve>()

  /** Adds the rows of a table of metrics. */
  add(stage: string, table: Table): void {
    for (const row of metricsRows(table)) {
      let curve = this.stages.get(stage)
      if (!curve) {
        curve = { rows: [], every: 1, count: 0, last: row, infos: {} }
        this.stages.set(stage, curve)
      }
      curve.last = row
      if (curve.count++ % curve.every === 0) curve.rows.push(row)
      if (curve.rows.length > LONGEST) {
        curve.rows = curve.rows.filter((_, i) => i % 2 === 0)
        curve.every *= 2
      }
      curve.infos = metricInfosOf(table)
    }
  }

  /** The last row and the curves of every stage that has measured. */
  metrics(): LiveMetrics[] {
    return [...this.stages].map(([stage, { rows, last, infos }]) => {
      const shown = rows.at(-1) === last ? rows : [...rows, last]
      const curves = metricColumns(Object.keys(last)).map((name) => [name, shown.map((row) => finite(row[name]))])
      return { stage, last, infos, curves: Object.fromEntries(curves) }
    })
  }
}

/** JSON has no NaN and no infinity. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null
}
