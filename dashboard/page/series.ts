import { grouped } from '../../pipeline/base/grouped.js'
import type { RunSummary } from '../contract.js'
import type { Rows } from './curve-store.js'
import { labelOf, short, textOf, varying } from './state.js'

/** A line of a chart. */
export interface Line {
  /** Its name. */
  readonly label: string
  /** Its colour. */
  readonly colour: string
  /** Its dashes in pixels; empty if it is solid. */
  readonly dash: readonly number[]
  /** The places of its points, in rising order. */
  readonly x: readonly number[]
  /** The values there; null where one is not finite. */
  readonly y: readonly (number | null)[]
  /** The lower edge of the band around it; undefined if it has none. */
  readonly low?: readonly (number | null)[] | undefined
  /** The upper edge of the band. */
  readonly high?: readonly (number | null)[] | undefined
}

/** What to draw, and how. */
export interface Choice {
  /** The column of the x axis. */
  readonly axis: 'epoch' | 'step'
  /** How much to smooth, from 0. */
  readonly smoothing: number
  /** Whether runs that differ by seed alone are one line with a band. */
  readonly areBands: boolean
  /** The splits to draw; undefined for all. */
  readonly splits: ReadonlySet<string>
}

/** The palette of Okabe and Ito, "Color Universal Design" (2008), without the colours that one of the backgrounds hides. */
const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#8c8c8c']
const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4]]

/** The parts of the name of a column: its split and the metric; the split is empty if it has none. */
export function partsOf(column: string): readonly [split: string, metric: string] {
  const [, split = '', metric = column] = /^(train|validation|test|[a-z\d-]+?)_(.+)$/.exec(column) ?? []
  return /^(train|validation|test)$/.test(split) || KNOWN.test(metric) ? [split, metric] : ['', column]
}

const KNOWN = /^(loss|cost|accuracy|auc|balanced_accuracy|macro_f1|log_loss|brier_score)$/

/** The metrics of runs, with their columns. */
export function metricsOf(all: readonly (Rows | undefined)[]): Map<string, string[]> {
  const metrics = new Map<string, string[]>()
  for (const column of new Set(all.flatMap((rows) => rows?.columns ?? []))) {
    if (column === 'epoch' || column === 'step') continue
    const [, metric] = partsOf(column)
    metrics.set(metric, [...(metrics.get(metric) ?? []), column])
  }
  return metrics
}

/** The lines of a metric. */
export function linesOf(
  chosen: readonly RunSummary[],
  rows: ReadonlyMap<string, Rows>,
  columns: readonly string[],
  choice: Choice,
): Line[] {
  const drawn = columns.filter((column) => {
    const [split] = partsOf(column)
    return split === '' || choice.splits.has(split)
  })
  const groups = choice.areBands ? groupsOf(chosen) : chosen.map((run) => [run])
  const isOne = groups.length === 1
  const differing = varying(chosen)
  return groups.flatMap((group, g) =>
    drawn.flatMap((column, c): Line[] => {
      const [split] = partsOf(column)
      const curves = group.flatMap(({ id }) => curveOf(rows.get(id), column, choice) ?? [])
      if (curves.length === 0) return []
      const name = group.length > 1 ? nameOfGroup(group, differing) : labelOf(group[0]!)
      const look = isOne
        ? { colour: palette[c % palette.length]!, dash: dashes[c % dashes.length]! }
        : { colour: palette[g % palette.length]!, dash: dashes[(c + Math.floor(g / palette.length)) % dashes.length]! }
      return [
        { label: split ? `${name}, ${split}` : name, ...look, ...(curves.length > 1 ? bandOf(curves) : curves[0]!) },
      ]
    }),
  )
}

/** `digits, eta=0.1, 3 seeds`: what tells the runs of a group from those of others. */
function nameOfGroup(group: readonly RunSummary[], differing: readonly string[]): string {
  const { name, settings } = group[0]!
  const own = differing.filter((each) => each in settings).slice(0, 4)
  const isFolds = group.some(({ fold }) => fold !== group[0]!.fold)
  return [
    name,
    ...own.map((each) => `${each}=${textOf(settings[each])}`),
    `${group.length} ${isFolds ? 'runs' : 'seeds'}`,
  ].join(', ')
}

/** Runs that differ by seed or fold alone. */
export function groupsOf(list: readonly RunSummary[]): RunSummary[][] {
  const groups = grouped(list, ({ name, settings }) => {
    const others = Object.entries(settings).filter(([option]) => option !== 'seed')
    return JSON.stringify([name, others.sort(([a], [b]) => (a < b ? -1 : 1)).map(([option, v]) => [option, textOf(v)])])
  })
  return [...groups.values()]
}

interface Curve {
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
}

function curveOf(rows: Rows | undefined, column: string, { axis, smoothing }: Choice): Curve | undefined {
  const [x, y] = [rows?.values[rows.columns.indexOf(axis)], rows?.values[rows.columns.indexOf(column)]]
  if (!x || !y) return undefined
  const points = [...x.keys()].filter((i) => x[i] !== null)
  return {
    x: points.map((i) => x[i]!),
    y: smoothed(
      points.map((i) => y[i]!),
      smoothing,
    ),
  }
}

/** An exponential mean that starts without a bias towards 0. */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight === 0) return [...values]
  let [sum, total] = [0, 0]
  return values.map((value) => {
    if (value === null) return null
    sum = weight * sum + (1 - weight) * value
    total = weight * total + (1 - weight)
    return sum / total
  })
}

/** The mean of curves, and the range of one standard deviation, wherever at least two of them have a value. */
function bandOf(curves: readonly Curve[]): Pick<Line, 'x' | 'y' | 'low' | 'high'> {
  const at = new Map<number, number[]>()
  for (const { x, y } of curves)
    for (const [i, place] of x.entries()) {
      const value = y[i]
      const list = at.get(place) ?? []
      if (value !== null && value !== undefined) list.push(value)
      at.set(place, list)
    }
  const x = [...at.keys()].sort((a, b) => a - b)
  const means = x.map((place) => {
    const list = at.get(place)!
    if (list.length === 0) return { y: null, spread: null }
    const mean = list.reduce((sum, value) => sum + value, 0) / list.length
    const squares = list.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    return { y: mean, spread: list.length > 1 ? Math.sqrt(squares / (list.length - 1)) : null }
  })
  return {
    x,
    y: means.map(({ y }) => y),
    low: means.map(({ y, spread }) => (y === null || spread === null ? null : y - spread)),
    high: means.map(({ y, spread }) => (y === null || spread === null ? null : y + spread)),
  }
}

/** Keeps the lowest and the highest point of each piece of a line, at most `most` points in all. */
export function decimated(line: Line, most: number): Line {
  const { x, y, low, high } = line
  if (x.length <= most) return line
  const size = Math.ceil(x.length / (most / 2))
  const kept: number[] = []
  for (let from = 0; from < x.length; from += size) {
    let [least, greatest] = [from, from]
    for (let i = from; i < Math.min(from + size, x.length); i++) {
      if ((y[i] ?? Infinity) < (y[least] ?? Infinity)) least = i
      if ((y[i] ?? -Infinity) > (y[greatest] ?? -Infinity)) greatest = i
    }
    kept.push(...new Set([Math.min(least, greatest), Math.max(least, greatest)]))
  }
  if (kept.at(-1) !== x.length - 1) kept.push(x.length - 1)
  const pick = <T>(list: readonly T[]): T[] => kept.map((i) => list[i]!)
  return { ...line, x: pick(x), y: pick(y), low: low && pick(low), high: high && pick(high) }
}

/** Lines as CSV: a row for each point. */
export function csvOf(lines: readonly Line[], axis: string, metric: string): string {
  const quoted = (text: string): string => `"${text.replaceAll('"', '""').replace(/^[=+@-]/, "'$&")}"`
  const rows = lines.flatMap(({ label, x, y }) => x.map((at, i) => `${quoted(label)},${at},${y[i] ?? ''}`))
  return `${['line', axis, quoted(metric)].join()}\n${rows.join('\n')}\n`
}

/** Lines as a drawing. */
export function svgOf(lines: readonly Line[], title: string, axis: string, isLog: boolean): string {
  const [width, height, left, top] = [800, 420, 70, 40]
  const scale = (value: number): number => (isLog ? Math.log10(value) : value)
  const fits = (value: number | null | undefined): value is number => typeof value === 'number' && (!isLog || value > 0)
  const ys = lines.flatMap(({ y }) => y.filter(fits).map(scale))
  const xs = lines.flatMap(({ x }) => x)
  const [x0, x1] = ends(xs)
  const [y0, y1] = ends(ys)
  const px = (x: number): string => (left + ((x - x0) / (x1 - x0)) * (width - left - 20)).toFixed(1)
  const py = (y: number): string => (top + ((y1 - y) / (y1 - y0)) * (height - top - 50)).toFixed(1)
  const escaped = (text: string): string =>
    text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!)
  const ticks = [0, 1, 2, 3, 4].flatMap((i) => {
    const [x, y] = [x0 + ((x1 - x0) * i) / 4, y0 + ((y1 - y0) * i) / 4]
    return [
      `<text x="${px(x)}" y="${height - 32}" text-anchor="middle">${short(x)}</text>`,
      `<text x="${left - 6}" y="${Number(py(y)) + 4}" text-anchor="end">${short(isLog ? 10 ** y : y)}</text>`,
      `<path d="M${left} ${py(y)}H${width - 20}" stroke="#ddd"/>`,
    ]
  })
  const paths = lines.map(({ x, y, colour, dash }) => {
    let isBroken = true
    const path = x.map((at, i) => {
      const value = y[i]
      if (!fits(value)) {
        isBroken = true
        return ''
      }
      const step = `${isBroken ? 'M' : 'L'}${px(at)} ${py(scale(value))}`
      isBroken = false
      return step
    })
    return `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-dasharray="${dash.join(' ')}"/>`
  })
  const legend = lines.slice(0, 20).map(({ label, colour, dash }, i) => {
    const y = height + 14 * i
    return `<path d="M${left} ${y}h30" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(' ')}"/><text x="${left + 38}" y="${y + 4}">${escaped(label)}</text>`
  })
  const full = height + 14 * legend.length + 10
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${full}" width="${width}" height="${full}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/><text x="${left}" y="22" font-size="14">${escaped(title)}</text>${ticks.join('')}<text x="${width / 2}" y="${height - 14}" text-anchor="middle">${axis}</text>${paths.join('')}${legend.join('')}</svg>`
}

function ends(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return low < high ? [low, high] : low === high ? [low - 0.5, high + 0.5] : [0, 1]
}
