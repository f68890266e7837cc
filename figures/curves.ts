import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { type ChartSpec, chart } from './chart.js'
import { colours, dashPatterns, theme } from './theme.js'

/** The evaluations of one run. */
export interface CurveSeries {
  readonly name: string
  readonly rows: readonly MetricsRow[]
}

export interface CurvesOptions {
  readonly title?: string | undefined
  /** The scale of cost and loss. */
  readonly scale?: 'linear' | 'log'
  /** The splits to draw. Default: all. */
  readonly splits?: readonly string[] | undefined
  /** Size of one panel. */
  readonly width?: number
  readonly height?: number
  /** Panels side by side. */
  readonly columns?: number
}

interface Point {
  readonly x: number
  readonly y: number
  readonly run: string
  readonly split: string
}

interface Panel {
  readonly title: string
  readonly points: readonly Point[]
  readonly scale?: 'linear' | 'log'
  readonly format?: string
}

/**
 * Draws how runs went: cost, loss and accuracy of each split, the generalisation gap (how far the loss of a split is
 * above that of `train`), and eta where the metrics have it. Cost is left out where it is nowhere unlike the loss. One
 * run has a colour per split; several have a colour per run and a dash pattern per split. What is not finite (or not
 * positive, on a logarithmic scale) leaves a gap. Throws a RangeError where there is nothing to draw.
 */
export async function curvesFigure(series: readonly CurveSeries[], options: CurvesOptions = {}): Promise<string> {
  const splits = splitsOf(series).filter((split) => options.splits?.includes(split) ?? true)
  const panels = panelsOf(series, splits, options.scale ?? 'linear').filter(({ points }) => points.length > 0)
  if (panels.length === 0) throw new RangeError('there is no evaluation to draw')
  const runs = series.map(({ name }) => name)
  const encoding = { ...(runs.length > 1 ? byRun(runs, splits, options.columns ?? 2) : bySplit(splits)) }
  const description = `${options.title ?? 'Training curves'}: ${panels.map(({ title }) => title.toLowerCase()).join(', ')}`
  const spec = {
    ...(options.title && { title: { text: options.title, fontSize: theme.sizes.title, offset: 12 } }),
    columns: Math.min(panels.length, options.columns ?? 2),
    spacing: { row: 28, column: 36 },
    resolve: { scale: { color: 'shared', strokeDash: 'shared' } },
    concat: panels.map((panel) => panelSpec(panel, encoding, xTitle(series), options)),
  }
  return chart(spec, description)
}

function panelSpec(
  panel: Panel,
  encoding: ChartSpec,
  x: string,
  { width = 360, height = 220 }: CurvesOptions,
): unknown {
  const few = new Set(panel.points.map((point) => point.x)).size <= 12
  const xs = panel.points.map((point) => point.x)
  return {
    title: panel.title,
    width,
    height,
    data: { values: panel.points },
    mark: { type: 'line', invalid: 'break-paths-show-domains', ...(few && { point: { size: 22, filled: true } }) },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: x,
        axis: { tickMinStep: 1, grid: false, format: 'd' },
        scale: {
          zero: false,
          nice: false,
          ...(Math.min(...xs) === Math.max(...xs) && { domain: [xs[0]! - 1, xs[0]! + 1] }),
        },
      },
      y: {
        field: 'y',
        type: 'quantitative',
        title: null,
        scale: { type: panel.scale ?? 'linear', zero: false, nice: panel.scale !== 'log' },
        axis: { tickCount: 6, minExtent: 34, format: panel.format ?? '~g' },
      },
      ...encoding,
    },
  }
}

function bySplit(splits: readonly string[]): ChartSpec {
  const legend = { title: null, orient: 'top', direction: 'horizontal', symbolType: 'stroke' }
  const channel = (range: unknown): unknown => ({
    field: 'split',
    type: 'nominal',
    sort: null,
    scale: { domain: splits, range },
    legend,
  })
  return { color: channel(colours(splits.length)), strokeDash: channel(dashPatterns(splits.length)) }
}

function byRun(runs: readonly string[], splits: readonly string[], columns: number): ChartSpec {
  const legend = {
    title: null,
    orient: 'top',
    direction: 'horizontal',
    symbolType: 'stroke',
    columns,
    labelLimit: 300,
  }
  return {
    color: { field: 'run', type: 'nominal', sort: null, scale: { domain: runs, range: colours(runs.length) }, legend },
    strokeDash: {
      field: 'split',
      type: 'nominal',
      sort: null,
      scale: { domain: splits, range: dashPatterns(splits.length) },
      legend: { ...legend, columns: 2 * columns },
    },
  }
}

function panelsOf(series: readonly CurveSeries[], splits: readonly string[], scale: 'linear' | 'log'): Panel[] {
  const along = xOf(series)
  const points = (value: (row: MetricsRow, split: string) => number | undefined, names = splits): Point[] =>
    series.flatMap(({ name: run, rows }) =>
      names.flatMap((split) =>
        rows.flatMap((row) => {
          const y = value(row, split)
          if (y === undefined) return []
          const isShown = Number.isFinite(y)
          return [{ x: row[along]!, y: (isShown ? y : null) as number, run, split }]
        }),
      ),
    )
  const onScale = (y: number | undefined): number | undefined =>
    y !== undefined && scale === 'log' && !(y > 0) ? Number.NaN : y
  const isPenalised = series.some(({ rows }) =>
    rows.some((row) => splits.some((split) => !same(row[`${split}_cost`], row[`${split}_loss`]))),
  )
  const cost = points((row, split) => onScale(row[`${split}_cost`]))
  const loss = points((row, split) => onScale(row[`${split}_loss`]))
  const gap = points(
    (row, split) =>
      row[`${split}_loss`] === undefined || row.train_loss === undefined
        ? undefined
        : row[`${split}_loss`]! - row.train_loss,
    splits.filter((split) => split !== 'train'),
  )
  const eta = points((row) => row.eta, splits.slice(0, 1))
  const suffix = scale === 'log' ? ' (logarithmic)' : ''
  return [
    ...(isPenalised ? [{ title: `Cost${suffix}`, points: cost, scale }] : []),
    { title: isPenalised ? `Loss${suffix}` : `Loss, which is the cost${suffix}`, points: loss, scale },
    { title: 'Accuracy', points: points((row, split) => row[`${split}_accuracy`]), format: '.0%' },
    { title: 'Generalisation gap in loss', points: gap },
    { title: 'Learning rate eta', points: eta },
  ]
}

function same(a: number | undefined, b: number | undefined): boolean {
  return Object.is(a, b) || a === undefined || b === undefined
}

/** The splits of the metrics, by their columns `…_loss`, in the order of the first run that has them. */
function splitsOf(series: readonly CurveSeries[]): string[] {
  const names = series.flatMap(({ rows }) => rows.flatMap((row) => Object.keys(row)))
  const matches = names.flatMap((name) => /^(.+)_(?:loss|cost|accuracy)$/.exec(name)?.[1] ?? [])
  return [...new Set(matches)]
}

/** Evaluations within an epoch are drawn along the steps, others along the epochs. */
function xOf(series: readonly CurveSeries[]): 'epoch' | 'step' {
  const isDense = series.some(({ rows }) => new Set(rows.map(({ epoch }) => epoch)).size < rows.length)
  return isDense ? 'step' : 'epoch'
}

const xTitle = xOf
