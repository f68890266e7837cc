import { type SettingsPoint, settingsLineFigure, settingsMapFigure } from '../figures/index.js'
import { directionOf } from '../sweep/monitor.js'
import { formatMetric, formatterOf } from './metric-format.js'
import { formatValue, type SettingRow, type Settings } from './settings-table.js'

/** A figure, and its description. */
interface SettingsFigure {
  /** The figure as SVG. */
  readonly svg: string
  /** Text for readers who cannot see the figure. */
  readonly alt: string
  /** Whether it is a heat map. */
  readonly isHeatmap: boolean
}

/**
 * Draws the monitor over the settings: a heat map if two settings vary as a grid, lines if one setting varies. Returns
 * undefined for other sweeps, and for sweeps without results.
 */
export async function settingsFigure(settings: Settings): Promise<SettingsFigure | undefined> {
  const { varying, monitor, rows } = settings
  if (monitor === undefined || !rows.some(({ final }) => final.has(monitor))) return undefined
  const [first, second] = varying
  if (varying.length === 1) return drawLines(settings, first!, monitor)
  return varying.length === 2 ? drawMap(settings, first!, second!, monitor) : undefined
}

/** Draws a heat map. Returns undefined if less than half of its cells have a row, because that is no grid. */
async function drawMap(
  { rows, metricInfos }: Settings,
  down: string,
  across: string,
  monitor: string,
): Promise<SettingsFigure | undefined> {
  const [y, x] = [valuesOf(rows, down), valuesOf(rows, across)]
  const [yAt, xAt] = [placesOf(y), placesOf(x)]
  if (2 * rows.length < x.length * y.length) return undefined
  const results = new Float64Array(x.length * y.length).fill(Number.NaN)
  for (const { settings, final } of rows) {
    const at = yAt.get(formatValue(settings[down]))! * x.length + xAt.get(formatValue(settings[across]))!
    results[at] = final.get(monitor)?.mean ?? Number.NaN
  }
  const info = metricInfos.get(monitor)!
  const metric = formatMetric(info)
  const svg = await settingsMapFigure({
    metric,
    x: { name: across, values: x },
    y: { name: down, values: y },
    results,
    format: formatterOf(info),
    better: directionOf(monitor, metricInfos),
  })
  return { svg, alt: `A heat map of ${metric} by ${down} and ${across}; the table has the numbers.`, isHeatmap: true }
}

/** Draws a line for each split that has the metric of the monitor. */
async function drawLines({ rows, metricInfos }: Settings, name: string, monitor: string): Promise<SettingsFigure> {
  const metric = metricInfos.get(monitor)!
  const order = placesOf(valuesOf(rows, name))
  const points = rows.flatMap(({ settings, final }) =>
    [...final].flatMap(([column, { mean, deviation }]): SettingsPoint[] => {
      const info = metricInfos.get(column)
      if (info?.name !== metric.name) return []
      const value = settings[name]
      const split = info.split ?? column
      return [{ value: typeof value === 'number' ? value : formatValue(value), split, mean, deviation }]
    }),
  )
  points.sort((a, b) => order.get(String(a.value))! - order.get(String(b.value))!)
  return {
    svg: await settingsLineFigure(name, metric, points),
    alt: `${metric.title} of each split by ${name}; the table has the numbers.`,
    isHeatmap: false,
  }
}

/** The values of a setting: numbers sorted, others in the order of the rows. */
function valuesOf(rows: readonly SettingRow[], name: string): string[] {
  const values = rows.map(({ settings }) => settings[name])
  if (values.every((value) => typeof value === 'number')) values.sort((a, b) => a - b)
  return [...new Set(values.map(formatValue))]
}

/** The places of values in a list. */
function placesOf(values: readonly string[]): ReadonlyMap<string, number> {
  return new Map(values.map((value, i) => [value, i]))
}
