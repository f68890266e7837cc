import { grouped } from '../pipeline/base/grouped.js'
import type { ColumnInfos } from '../pipeline/wires/metric-info.js'
import type { MetricInfo, MetricsRow } from '../pipeline/wires/metrics.js'

/** The evaluations of one run. */
export interface CurveSeries {
  /** The name of the run, for the legend. */
  readonly name: string
  /** The evaluations, in their order. */
  readonly rows: readonly MetricsRow[]
  /**
   * The evaluations of runs that differ from this one in their seeds only. With them, the curve is the mean of all, with a
   * band from the lowest to the highest. Default: none.
   */
  readonly otherSeeds?: readonly (readonly MetricsRow[])[]
}

/** A point of a curve. */
export interface CurvePoint {
  /** The epoch, or the step. */
  readonly x: number
  /** The value; null leaves a gap. */
  readonly y: number | null
  /** The name of the run. */
  readonly run: string
  /** The split. */
  readonly split: string
  /** The lowest of the seeds, if there are several. */
  readonly low?: number
  /** The highest of the seeds. */
  readonly high?: number
}

/** A panel of the figure: one metric of every run and split. */
export interface CurvePanel {
  /** The title above the panel. */
  readonly title: string
  /** The points of all its curves. */
  readonly points: readonly CurvePoint[]
  /** The scale of the y axis. Default: linear. */
  readonly scale?: 'linear' | 'log'
  /** The format of the y axis, in the notation of d3-format. Default: `~g`. */
  readonly format?: string
}

/** A metric of the splits, with its column for each of them. */
interface SplitMetric {
  readonly info: MetricInfo
  readonly columns: Map<string, string>
}

/** The metrics of splits by their names, in the order of the columns. */
function splitMetrics(infos: ColumnInfos): Map<string, SplitMetric> {
  const metrics = new Map<string, SplitMetric>()
  for (const [column, info] of infos) {
    if (info.split === undefined) continue
    const metric = metrics.get(info.name) ?? { info, columns: new Map<string, string>() }
    metrics.set(info.name, metric)
    metric.columns.set(info.split, column)
  }
  return metrics
}

/**
 * The panels of cost, loss, accuracy, every other metric of a split, the generalisation gap, and metrics of no split, such
 * as eta; some have no points.
 *
 * @param splits the first has the colour of metrics of no split
 */
export function panelsOf(
  series: readonly CurveSeries[],
  infos: ColumnInfos,
  splits: readonly string[],
  scale: 'linear' | 'log',
): CurvePanel[] {
  const x = xOf(series)
  const metrics = splitMetrics(infos)
  const points = (value: (row: MetricsRow, split: string) => number | undefined, shown = splits): CurvePoint[] =>
    series.flatMap(({ name: run, rows, otherSeeds = [] }) =>
      shown.flatMap((split) => {
        const curves = [rows, ...otherSeeds].map((seed) =>
          seed.flatMap((row) => {
            const y = value(row, split)
            if (y === undefined) return []
            const isShown = Number.isFinite(y)
            return [{ x: row[x]!, y: isShown ? y : null, run, split }]
          }),
        )
        return curves.length === 1 ? curves[0]! : meanCurve(curves)
      }),
    )
  const metricOf = (row: MetricsRow, name: string, split: string): number | undefined => {
    const column = metrics.get(name)?.columns.get(split)
    return column === undefined ? undefined : row[column]
  }
  const panel = (name: string, title: string): CurvePanel => {
    const { better, unit } = metrics.get(name)?.info ?? {}
    const isShare = unit === 'share'
    const isLog = scale === 'log' && better === 'lower' && !isShare
    const onScale = (y: number | undefined): number | undefined =>
      y !== undefined && isLog && !(y > 0) ? Number.NaN : y
    return {
      title: isLog ? `${title} (logarithmic)` : title,
      points: points((row, split) => onScale(metricOf(row, name, split))),
      scale: isLog ? 'log' : 'linear',
      ...(isShare && { format: '%' }),
    }
  }
  const isPenalised = series.some(({ rows, otherSeeds = [] }) =>
    [rows, ...otherSeeds]
      .flat()
      .some((row) => splits.some((split) => !isSame(metricOf(row, 'cost', split), metricOf(row, 'loss', split)))),
  )
  const hasCost = isPenalised || !metrics.has('loss')
  const gap = points(
    (row, split) => difference(metricOf(row, 'loss', split), metricOf(row, 'loss', 'train')),
    splits.filter((split) => split !== 'train'),
  )
  const ofNoSplit = [...infos].filter(([, { split }]) => split === undefined)
  const others = [...metrics].filter(([name]) => !['cost', 'loss', 'accuracy'].includes(name))
  return [
    ...(hasCost ? [panel('cost', 'Cost')] : []),
    panel('loss', isPenalised ? 'Loss' : 'Loss, which is the cost'),
    panel('accuracy', 'Accuracy'),
    ...others.map(([name, { info }]) => panel(name, capitalised(info.title))),
    { title: 'Generalisation gap in loss', points: gap },
    ...ofNoSplit.map(([column, { title }]) => ({
      title: column === 'eta' ? 'Learning rate eta' : capitalised(title),
      points: points((row) => row[column], splits.slice(0, 1)),
    })),
  ]
}

/**
 * The mean of the curves of several seeds, with the lowest and the highest value, at every x that one of them has. Where
 * one of them has a value that is not finite, there is a gap.
 */
function meanCurve(curves: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  return [...grouped(curves.flat(), ({ x }) => x)]
    .sort(([a], [b]) => a - b)
    .map(([, points]) => {
      const values = points.flatMap(({ y }) => y ?? [])
      if (values.length < points.length) return { ...points[0]!, y: null }
      const mean = values.reduce((sum, y) => sum + y, 0) / values.length
      return { ...points[0]!, y: mean, low: Math.min(...values), high: Math.max(...values) }
    })
}

/** Whether two values are the same, as far as both are known. */
function isSame(a: number | undefined, b: number | undefined): boolean {
  return Object.is(a, b) || a === undefined || b === undefined
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Several evaluations within an epoch are drawn over the steps, others over the epochs. */
export function xOf(series: readonly CurveSeries[]): 'epoch' | 'step' {
  const isDense = series.some(({ rows, otherSeeds = [] }) =>
    [rows, ...otherSeeds].some((seed) => new Set(seed.map(({ epoch }) => epoch)).size < seed.length),
  )
  return isDense ? 'step' : 'epoch'
}
