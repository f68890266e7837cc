import { largest } from '../pipeline/base/largest.js'
import { isBetter } from '../pipeline/wires/metric-info.js'
import type { MetricInfo } from '../pipeline/wires/metrics.js'
import { chart } from './chart.js'
import { heatmap } from './heatmap.js'
import { drawing, text } from './svg.js'
import { colours, dashPatterns, textWidth, theme, truncateText } from './theme.js'

/** A metric over the values of two settings. */
export interface SettingsMap {
  /** The metric, for the title. */
  readonly metric: string
  /** The setting across, and its values. */
  readonly x: { readonly name: string; readonly values: readonly string[] }
  /** The setting down, and its values. */
  readonly y: { readonly name: string; readonly values: readonly string[] }
  /** The results, row-major `[y, x]`; NaN if there is none. */
  readonly results: ArrayLike<number>
  /** Formats a result. */
  readonly format: (value: number) => string
  /** Which direction is better. */
  readonly better: 'higher' | 'lower'
}

const MARGIN = 20
/** The width in pixels beyond which values of settings are cut. */
const VALUE = 150

/**
 * Draws the results of a grid of two settings as SVG: the better, the stronger the shade. The best cell has a star. With many cells
 * the numbers are left out, and values beside the grid, too.
 */
export async function settingsMapFigure(map: SettingsMap): Promise<string> {
  const { x, y, results, format, better } = map
  const [columns, rows] = [x.values.length, y.values.length]
  const cell = Math.max(4, Math.min(64, Math.floor(1000 / Math.max(columns, rows))))
  const { sizes, muted } = theme
  const isSlanted = largest(x.values.map((value) => textWidth(value, sizes.text))) > cell - 4
  const [down, across] = [y, x].map(({ values }) => values.map((value) => truncateText(value, VALUE, sizes.text)))
  const beside = largest(down!.map((value) => textWidth(value, sizes.text)))
  const above = isSlanted ? largest(across!.map((value) => textWidth(value, sizes.text))) : sizes.text
  const left = MARGIN + 22 + beside + 8
  const top = MARGIN + sizes.title + 34 + above + 8
  const step = Math.max(1, Math.ceil(13 / cell))
  const best = bestOf(results, better)
  const middle = (i: number): number => (i + 0.5) * cell + sizes.text / 2.8
  const title = `${map.metric} by ${x.name} and ${y.name}`
  const parts = [
    text(MARGIN, MARGIN + sizes.title - 2, title, { size: sizes.title, bold: true }),
    text(left + (columns * cell) / 2, MARGIN + sizes.title + 22, x.name, { anchor: 'middle', fill: muted }),
    text(MARGIN + 10, top + (rows * cell) / 2, y.name, { anchor: 'middle', fill: muted, rotate: -90 }),
    ...down!.flatMap((value, i) => (i % step === 0 ? [text(left - 8, top + middle(i), value, { anchor: 'end' })] : [])),
    ...across!.flatMap((value, i) => {
      if (i % step !== 0) return []
      if (isSlanted) return [text(left + middle(i), top - 7, value, { rotate: -90 })]
      return [text(left + (i + 0.5) * cell, top - 7, value, { anchor: 'middle' })]
    }),
    await heatmap(
      {
        rows,
        columns,
        shares: sharesOf(results, better),
        ...(cell >= 40 && {
          textOf: (row, column) => {
            const at = row * columns + column
            return Number.isNaN(results[at]) ? '–' : `${format(results[at]!)}${at === best ? ' ★' : ''}`
          },
        }),
      },
      left,
      top,
      cell,
    ),
  ]
  const bestPlace = `${x.name} ${x.values[best % columns]}, ${y.name} ${y.values[Math.floor(best / columns)]}`
  const foot = `a stronger shade is better${best < 0 ? '' : `; best: ${format(results[best]!)} at ${bestPlace}`}`
  const bottom = top + rows * cell + 18
  parts.push(text(MARGIN, bottom, foot, { fill: muted, size: sizes.small }))
  const right = Math.max(
    left + columns * cell,
    MARGIN + textWidth(title, sizes.title * 1.1),
    MARGIN + textWidth(foot, sizes.small),
  )
  return drawing(right + MARGIN, bottom + MARGIN, `${title}. ${foot}`, parts)
}

function bestOf(results: ArrayLike<number>, better: SettingsMap['better']): number {
  let best = -1
  for (let i = 0; i < results.length; i++) {
    const value = results[i]!
    if (Number.isFinite(value) && isBetter(better, value, results[best])) best = i
  }
  return best
}

/**
 * The shade of each result: 1 for the best, 0 for the worst tenth. If the worst result itself were 0, a diverged one (a
 * cost of thousands) would make all others look alike.
 */
function sharesOf(results: ArrayLike<number>, better: SettingsMap['better']): Float64Array {
  const finite = Array.from(results)
    .filter(Number.isFinite)
    .sort((a, b) => (better === 'higher' ? a - b : b - a))
  const [low, high] = [finite[Math.floor(finite.length / 10)]!, finite.at(-1)!]
  return Float64Array.from(Array.from(results), (value) =>
    Number.isFinite(value) ? Math.max(0, Math.min(1, high === low ? 1 : (value - low) / (high - low))) : 0,
  )
}

/** The result of one split for one value of a setting. */
export interface SettingsPoint {
  /** The value of the setting. */
  readonly value: number | string
  /** The split. */
  readonly split: string
  /** The mean over the seeds. */
  readonly mean: number
  /** The standard deviation over the seeds, if there are several. */
  readonly deviation?: number | undefined
}

/** From this ratio of the largest to the smallest value on, a setting has a logarithmic axis. */
const LOGARITHMIC = 20

/**
 * Draws a metric over the values of one setting as SVG, a line for each split. Bars show the standard deviation over
 * the seeds.
 *
 * @param name of the setting
 */
export function settingsLineFigure(
  name: string,
  { title, unit }: Pick<MetricInfo, 'title' | 'unit'>,
  points: readonly SettingsPoint[],
): Promise<string> {
  const splits = [...new Set(points.map(({ split }) => split))]
  const values = points
    .filter(({ mean }) => Number.isFinite(mean))
    .map((point) => ({ ...point, low: point.mean - (point.deviation ?? 0), high: point.mean + (point.deviation ?? 0) }))
  const numbers = values.flatMap(({ value }) => (typeof value === 'number' ? value : []))
  const isNumeric = numbers.length === values.length
  const low = numbers.reduce((least, number) => Math.min(least, number), Number.POSITIVE_INFINITY)
  const isLogarithmic = isNumeric && low > 0 && largest(numbers) / low >= LOGARITHMIC
  const x = isNumeric
    ? {
        type: 'quantitative',
        scale: { type: isLogarithmic ? 'log' : 'linear', zero: false, nice: false, padding: 12 },
        axis: { grid: false },
      }
    : { type: 'nominal', sort: null, axis: { labelAngle: 0 } }
  const channel = (range: unknown): unknown => ({
    field: 'split',
    type: 'nominal',
    title: null,
    sort: null,
    scale: { domain: splits, range },
    legend: { orient: 'top', symbolType: 'stroke' },
  })
  const encoding = { x: { field: 'value', title: name, ...x }, color: channel(colours(splits.length)) }
  const format = unit === 'share' ? '.1%' : '~g'
  const y = { type: 'quantitative', title, scale: { zero: false }, axis: { format } }
  return chart(
    {
      width: 520,
      height: 300,
      title: `${title} by ${name}`,
      data: { values },
      layer: [
        { mark: 'rule', encoding: { ...encoding, y: { field: 'low', ...y }, y2: { field: 'high' } } },
        {
          mark: { type: 'line', point: { size: 30, filled: true } },
          encoding: { ...encoding, y: { field: 'mean', ...y }, strokeDash: channel(dashPatterns(splits.length)) },
        },
      ],
    },
    `${title} by ${name}, of ${splits.join(', ')}`,
  )
}
