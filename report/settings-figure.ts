import { type SettingsPoint, settingsLineFigure, settingsMapFigure } from '../figures/index.js'
import { isBetter } from '../pipeline/wires/metrics.js'
import type { SettingRow, Settings } from './settings-table.js'
import { formatMetric, wordOf } from './tables.js'

/** A figure, and what a reader who cannot see it is told. */
export interface SettingsFigure {
  readonly svg: string
  readonly alt: string
}

/** A heat map where two settings vary as a grid, a line where one does; nothing else can be drawn, or before a result. */
export async function settingsFigure(settings: Settings): Promise<SettingsFigure | undefined> {
  const { varying, monitor, rows } = settings
  if (monitor === undefined || !rows.some(({ final }) => final.has(monitor))) return undefined
  const [first, second] = varying
  if (varying.length === 1) return line(rows, first!, monitor)
  return varying.length === 2 ? map(rows, first!, second!, monitor) : undefined
}

/** Nothing where less than half of the cells have a row: that is no grid. */
async function map(
  rows: readonly SettingRow[],
  down: string,
  across: string,
  monitor: string,
): Promise<SettingsFigure | undefined> {
  const [y, x] = [valuesOf(rows, down), valuesOf(rows, across)]
  if (2 * rows.length < x.length * y.length) return undefined
  const results = new Float64Array(x.length * y.length).fill(Number.NaN)
  for (const { settings, final } of rows) {
    const at = y.indexOf(wordValue(settings[down])) * x.length + x.indexOf(wordValue(settings[across]))
    results[at] = final.get(monitor)?.mean ?? Number.NaN
  }
  const metric = formatMetric(monitor)
  const svg = await settingsMapFigure({
    metric,
    x: { name: across, values: x },
    y: { name: down, values: y },
    results,
    word: wordOf(monitor),
    grows: isBetter(monitor.endsWith('accuracy') ? 'higher' : 'lower', 1, 0),
  })
  return { svg, alt: `A heat map of ${metric} by ${down} and ${across}; the table has the numbers.` }
}

async function line(rows: readonly SettingRow[], name: string, monitor: string): Promise<SettingsFigure> {
  const [, metric] = /_([a-z]+)$/.exec(monitor) ?? ['', monitor]
  const order = valuesOf(rows, name)
  const points = rows.flatMap(({ settings, final }) =>
    [...final].flatMap(([column, { mean, deviation }]): SettingsPoint[] => {
      const split = column === monitor && metric === monitor ? monitor : column.slice(0, -metric!.length - 1)
      if (column !== monitor && !column.endsWith(`_${metric}`)) return []
      const value = settings[name]
      return [{ value: typeof value === 'number' ? value : wordValue(value), split, mean, deviation }]
    }),
  )
  points.sort((a, b) => order.indexOf(String(a.value)) - order.indexOf(String(b.value)))
  return {
    svg: await settingsLineFigure(name, metric!, points),
    alt: `${metric} of each split by ${name}; the table has the numbers.`,
  }
}

/** The values of a setting: numbers by size, others as they come. */
function valuesOf(rows: readonly SettingRow[], name: string): string[] {
  const values = rows.map(({ settings }) => settings[name])
  if (values.every((value) => typeof value === 'number')) values.sort((a, b) => a - b)
  return [...new Set(values.map(wordValue))]
}

function wordValue(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')
}
