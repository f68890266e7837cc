import { isBetter, mergeMetricInfos } from '../pipeline/wires/metric-info.js'
import type { MetricInfo, MetricsRow } from '../pipeline/wires/metrics.js'
import type { RunFiles } from './read.js'

/** A metric of two runs. */
export interface MetricDifference {
  /** Its column. */
  readonly column: string
  /** Its title, its unit, and which direction is better. */
  readonly info: MetricInfo
  /** Its values in the first run. */
  readonly before: MetricValues | undefined
  /** Its values in the second run. */
  readonly after: MetricValues | undefined
  /** The first evaluation in which it differs; undefined if it is the same everywhere. */
  readonly first: { readonly epoch: number; readonly step: number } | undefined
}

/** The values of a metric in a run. */
export interface MetricValues {
  /** The last value. */
  readonly final: number
  /** The best value; undefined if no direction is better. */
  readonly best: number | undefined
  /** The epoch of the best value. */
  readonly bestEpoch: number | undefined
}

/** The evaluations of a run, and what its metrics are. */
type Measured = Pick<RunFiles, 'metrics' | 'metricInfos'>

/** Compares the metrics of two runs: the last value, the best one, and the first evaluation in which they differ. */
export function metricDifferences(a: Measured, b: Measured): MetricDifference[] {
  const [rowsOfA, rowsOfB] = [byStep(a.metrics), byStep(b.metrics)]
  const steps = [...new Set([...rowsOfA.keys(), ...rowsOfB.keys()])].sort((x, y) => x - y)
  return [...mergeMetricInfos([a.metricInfos, b.metricInfos])].map(([column, info]) => {
    const step = steps.find((at) => !Object.is(valueIn(rowsOfA.get(at), column), valueIn(rowsOfB.get(at), column)))
    return {
      column,
      info,
      before: valuesOf(a.metrics, column, info),
      after: valuesOf(b.metrics, column, info),
      first: step === undefined ? undefined : { epoch: (rowsOfA.get(step) ?? rowsOfB.get(step))!.epoch, step },
    }
  })
}

/** The value of a column, whose name may be `constructor`. */
function valueIn(row: MetricsRow | undefined, column: string): number | undefined {
  return row && Object.hasOwn(row, column) ? row[column] : undefined
}

function byStep(rows: readonly MetricsRow[]): Map<number, MetricsRow> {
  return new Map(rows.map((row) => [row.step, row]))
}

function valuesOf(rows: readonly MetricsRow[], column: string, { better }: MetricInfo): MetricValues | undefined {
  const final = valueIn(rows.at(-1), column)
  if (final === undefined) return undefined
  return { final, ...bestOf(rows, column, better) }
}

/** The best value of a metric, and the epoch of it. Without a direction, both are undefined. */
export function bestOf(
  rows: readonly MetricsRow[],
  column: string,
  better: 'higher' | 'lower' | undefined,
): Pick<MetricValues, 'best' | 'bestEpoch'> {
  let [best, bestEpoch]: (number | undefined)[] = []
  for (const row of better ? rows : []) {
    const value = valueIn(row, column)
    if (value !== undefined && isBetter(better!, value, best)) [best, bestEpoch] = [value, row.epoch]
  }
  return { best, bestEpoch }
}
