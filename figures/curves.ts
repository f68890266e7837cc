import { type ColumnInfos, columnInfosOf } from '../pipeline/wires/metric-info.js'
import { type ChartSpec, chart } from './chart.js'
import { type CentralAxis, type CutRun, centralAxis } from './curve-axis.js'
import { type CurvePanel, type CurveSeries, panelsOf, xOf } from './curve-panels.js'
import { colours, dashPatterns, theme, truncateText } from './theme.js'

/** How to draw curves. */
export interface CurvesOptions {
  /** The title above the figure. */
  readonly title?: string | undefined
  /** The scale of cost, loss and other metrics of which lower values are better, shares excepted. Default: linear. */
  readonly scale?: 'linear' | 'log'
  /** The splits to draw. Default: all. */
  readonly splits?: readonly string[] | undefined
  /** The metadata of the metrics. Default: by their names, as in version 0.1.0. */
  readonly metricInfos?: ColumnInfos | undefined
  /**
   * Whether a run is cut at the edge of a panel if the axis would be more than three times as long because of it. An arrow
   * is at the edge, and a line below the title says how far the run goes. Default: no.
   */
  readonly cut?: boolean | undefined
  /** Width of one panel in pixels. Default: 360. */
  readonly width?: number
  /** Height of one panel in pixels. Default: 220. */
  readonly height?: number
  /** Panels side by side. Default: 2. */
  readonly columns?: number
}

/**
 * Draws the metrics of runs over their epochs, as SVG: a panel for cost, loss, accuracy and every other metric of a
 * split, the generalisation gap (the loss of a split minus the loss of `train`), and metrics of no split, such as eta. Cost
 * has no panel if it equals the loss everywhere. One run has a colour per split; several runs have a colour per run and
 * a dash pattern per split. Runs with several seeds are drawn as their mean, with a band. Values that are not finite (or not positive, on a logarithmic scale) leave a gap. Throws a
 * RangeError if there is nothing to draw.
 */
export async function curvesFigure(series: readonly CurveSeries[], options: CurvesOptions = {}): Promise<string> {
  const { panels, splits } = panelsToDraw(series, options)
  if (panels.length === 0) throw new RangeError('there is no evaluation to draw')
  const runs = series.map(({ name }) => name)
  const encoding = runs.length > 1 ? byRun(runs, splits, options.columns ?? 2) : bySplit(splits)
  const x = xOf(series)
  const titles = panels.map(({ title }) => title.toLowerCase()).join(', ')
  const description = `${options.title ?? 'Training curves'}: ${titles}`
  const spec = {
    ...(options.title && { title: { text: options.title, fontSize: theme.sizes.title, offset: 12 } }),
    columns: Math.min(panels.length, options.columns ?? 2),
    spacing: { row: 28, column: 36 },
    resolve: { scale: { color: 'shared', strokeDash: 'shared' } },
    concat: panels.map((panel) => panelSpec(panel, encoding, x, options)),
  }
  return chart(spec, description)
}

/** The names of the runs that `cut` cuts in a panel of the figure, in their order. */
export function cutRuns(series: readonly CurveSeries[], options: CurvesOptions): string[] {
  const { panels } = panelsToDraw(series, options)
  const cut = new Set(panels.flatMap((panel) => axisOf(panel, true)?.cut.map(({ run }) => run) ?? []))
  return series.flatMap(({ name }) => (cut.has(name) ? name : []))
}

/** The panels that have points, and the splits in them. */
function panelsToDraw(
  series: readonly CurveSeries[],
  options: CurvesOptions,
): { readonly panels: readonly CurvePanel[]; readonly splits: readonly string[] } {
  const infos =
    options.metricInfos ??
    columnInfosOf(
      series.flatMap(({ rows, otherSeeds = [] }) => [rows, ...otherSeeds].flat().flatMap((row) => Object.keys(row))),
      undefined,
    )
  const all = new Set([...infos.values()].flatMap(({ split }) => split ?? []))
  const named = [...all].filter((split) => options.splits?.includes(split) ?? true)
  const splits = named.length > 0 ? named : [NO_SPLIT]
  const panels = panelsOf(series, infos, splits, options.scale ?? 'linear').filter(({ points }) => points.length > 0)
  return { panels, splits }
}

function axisOf({ points, scale }: CurvePanel, isCut = false): CentralAxis | undefined {
  return isCut ? centralAxis(points, scale === 'log') : undefined
}

/** Stands for the splits of metrics that have none. It has no legend. */
const NO_SPLIT = ''

function panelSpec(
  panel: CurvePanel,
  encoding: ChartSpec,
  x: string,
  { width = 360, height = 220, cut }: CurvesOptions,
): unknown {
  const xs = new Set(panel.points.map((point) => point.x))
  const few = xs.size <= 12
  const [first = 0] = xs
  const central = axisOf(panel, cut)
  const across = {
    field: 'x',
    type: 'quantitative',
    title: x,
    axis: { tickMinStep: 1, grid: false, format: 'd' },
    scale: {
      zero: false,
      nice: false,
      ...(xs.size === 1 && { domain: [first - 1, first + 1] }),
    },
  }
  const up = {
    field: 'y',
    type: 'quantitative',
    title: null,
    scale: {
      type: panel.scale ?? 'linear',
      zero: false,
      nice: panel.scale !== 'log' && !central,
      ...(central && { domain: central.domain }),
    },
    axis: { tickCount: 6, minExtent: 34, format: panel.format ?? '~g' },
  }
  const clip = central && { clip: true }
  const line = {
    mark: {
      type: 'line',
      invalid: 'break-paths-show-domains',
      ...(few && { point: { size: 22, filled: true } }),
      ...clip,
    },
    encoding: { x: across, y: up, ...encoding },
  }
  const frame = { title: panel.title, width, height, data: { values: panel.points } }
  const hasBand = panel.points.some(({ low }) => low !== undefined)
  if (!hasBand && !central) return { ...frame, ...line }
  const { color, detail } = { color: encoding.color, detail: { field: 'split', type: 'nominal' } }
  const band = {
    mark: { type: 'area', fillOpacity: 0.18, strokeOpacity: 0, invalid: 'break-paths-show-domains', ...clip },
    encoding: { x: across, y: { ...up, field: 'low' }, y2: { field: 'high' }, color, detail },
  }
  return {
    ...frame,
    ...(central && { title: cutTitle(panel, central, width) }),
    layer: [...(hasBand ? [band] : []), line, ...(central?.cut ?? []).map((run) => arrow(run, across, color, height))],
  }
}

/** An arrow at the edge of a panel, where a run leaves it. */
function arrow({ run, split, x, end }: CutRun, across: unknown, color: unknown, height: number): unknown {
  const shape = end === 'upper' ? 'triangle-up' : 'triangle-down'
  return {
    data: { values: [{ run, split, x }] },
    mark: { type: 'point', shape, filled: true, size: 90, opacity: 1 },
    encoding: { x: across, y: { value: end === 'upper' ? 5 : height - 5 }, color },
  }
}

/** The title of a panel, with a line for each run that leaves it. */
function cutTitle({ title }: CurvePanel, { cut }: CentralAxis, width: number): unknown {
  const subtitle = cut.map(({ run, end, farthest }) => {
    const value = Number(farthest.toPrecision(3))
    const how = end === 'upper' ? `up to ${value}` : `down to ${value}`
    return `${end === 'upper' ? '▲' : '▼'} ${truncateText(run, width - 90, theme.sizes.text)} ${how}`
  })
  return { text: title, subtitle, subtitleFontSize: theme.sizes.text, subtitleColor: theme.muted }
}

/** The legend of one run: a colour and a dash pattern for each split. */
function bySplit(splits: readonly string[]): ChartSpec {
  const isNamed = !splits.includes(NO_SPLIT)
  const legend = isNamed ? { title: null, orient: 'top', direction: 'horizontal', symbolType: 'stroke' } : null
  const channel = (range: unknown): unknown => ({
    field: 'split',
    type: 'nominal',
    sort: null,
    scale: { domain: splits, range },
    legend,
  })
  return { color: channel(colours(splits.length)), strokeDash: channel(dashPatterns(splits.length)) }
}

/** The legend of several runs: a colour for each run, a dash pattern for each split. */
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
      legend: splits.includes(NO_SPLIT) ? null : { ...legend, columns: 2 * columns },
    },
  }
}
