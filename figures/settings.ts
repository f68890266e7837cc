import { chart } from './chart.js'
import { heatmap } from './heatmap.js'
import { drawing, text } from './svg.js'
import { colours, dashPatterns, fitted, textWidth, theme } from './theme.js'

/** A metric over the values of two settings. */
export interface SettingsMap {
  readonly metric: string
  readonly x: { readonly name: string; readonly values: readonly string[] }
  readonly y: { readonly name: string; readonly values: readonly string[] }
  /** Row-major `[y, x]`; NaN where there is no result. */
  readonly results: ArrayLike<number>
  /** How a result is written. */
  readonly word: (value: number) => string
  /** Whether more is better. */
  readonly grows: boolean
}

const MARGIN = 20
/** The longest value that is written out, in pixels. */
const VALUE = 150

/**
 * The results of a grid of two settings, the better the darker; the best cell has a star. With many cells the numbers
 * go, then every other value beside them.
 */
export async function settingsMapFigure(map: SettingsMap): Promise<string> {
  const { x, y, results, word, grows } = map
  const [columns, rows] = [x.values.length, y.values.length]
  const cell = Math.max(4, Math.min(64, Math.floor(1000 / Math.max(columns, rows))))
  const { sizes, muted } = theme
  const isSlanted = Math.max(...x.values.map((value) => textWidth(value, sizes.text))) > cell - 4
  const [down, across] = [y, x].map(({ values }) => values.map((value) => fitted(value, VALUE, sizes.text)))
  const beside = Math.max(...down!.map((value) => textWidth(value, sizes.text)))
  const above = isSlanted ? Math.max(...across!.map((value) => textWidth(value, sizes.text))) : sizes.text
  const left = MARGIN + 22 + beside + 8
  const top = MARGIN + sizes.title + 34 + above + 8
  const step = Math.max(1, Math.ceil(13 / cell))
  const best = bestOf(results, grows)
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
        shares: sharesOf(results, grows),
        ...(cell >= 40 && {
          textOf: (row, column) => {
            const at = row * columns + column
            return Number.isNaN(results[at]) ? '–' : `${word(results[at]!)}${at === best ? ' ★' : ''}`
          },
        }),
      },
      left,
      top,
      cell,
    ),
  ]
  const foot = `darker is better${best < 0 ? '' : `; best: ${word(results[best]!)} at ${x.name} ${x.values[best % columns]}, ${y.name} ${y.values[Math.floor(best / columns)]}`}`
  const bottom = top + rows * cell + 18
  parts.push(text(MARGIN, bottom, foot, { fill: muted, size: sizes.small }))
  const right = Math.max(
    left + columns * cell,
    MARGIN + textWidth(title, sizes.title * 1.1),
    MARGIN + textWidth(foot, sizes.small),
  )
  return drawing(right + MARGIN, bottom + MARGIN, `${title}. ${foot}`, parts)
}

function bestOf(results: ArrayLike<number>, grows: boolean): number {
  let best = -1
  for (let i = 0; i < results.length; i++) {
    const value = results[i]!
    if (!Number.isFinite(value)) continue
    if (best < 0 || (grows ? value > results[best]! : value < results[best]!)) best = i
  }
  return best
}

/** 1 for the best, down to 0; what ended far from the rest (a cost of thousands) must not make the rest look alike. */
function sharesOf(results: ArrayLike<number>, grows: boolean): Float64Array {
  const finite = Array.from(results)
    .filter(Number.isFinite)
    .sort((a, b) => (grows ? a - b : b - a))
  const [low, high] = [finite[Math.floor(finite.length / 10)]!, finite.at(-1)!]
  return Float64Array.from(Array.from(results), (value) =>
    Number.isFinite(value) ? Math.max(0, Math.min(1, high === low ? 1 : (value - low) / (high - low))) : 0,
  )
}

/** A metric of one split over the values of one setting. */
export interface SettingsPoint {
  readonly value: number | string
  readonly split: string
  readonly mean: number
  /** The standard deviation over the seeds, where there are several. */
  readonly deviation?: number | undefined
}

/** From this ratio of largest to smallest value, those of a setting are drawn on a logarithmic axis. */
const LOGARITHMIC = 20

/** A metric over one setting, a line for each split; bars show the standard deviation over the seeds. */
export function settingsLineFigure(name: string, metric: string, points: readonly SettingsPoint[]): Promise<string> {
  const splits = [...new Set(points.map(({ split }) => split))]
  const values = points
    .filter(({ mean }) => Number.isFinite(mean))
    .map((point) => ({ ...point, low: point.mean - (point.deviation ?? 0), high: point.mean + (point.deviation ?? 0) }))
  const numbers = values.flatMap(({ value }) => (typeof value === 'number' ? value : []))
  const isNumeric = numbers.length === values.length
  const isLogarithmic =
    isNumeric && Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= LOGARITHMIC
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
  const format = metric === 'accuracy' ? '.1%' : '~g'
  const y = { type: 'quantitative', title: metric, scale: { zero: false }, axis: { format } }
  return chart(
    {
      width: 520,
      height: 300,
      title: `${metric} by ${name}`,
      data: { values },
      layer: [
        { mark: 'rule', encoding: { ...encoding, y: { field: 'low', ...y }, y2: { field: 'high' } } },
        {
          mark: { type: 'line', point: { size: 30, filled: true } },
          encoding: { ...encoding, y: { field: 'mean', ...y }, strokeDash: channel(dashPatterns(splits.length)) },
        },
      ],
    },
    `${metric} by ${name}, of ${splits.join(', ')}`,
  )
}
