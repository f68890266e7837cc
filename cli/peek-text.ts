import { cellsOf, cutToCells, padToCells } from '../pipeline/base/cells.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted } from '../pipeline/base/words.js'
import type { ExamplesLook, FeatureLook } from '../report/examples.js'

/** Classes and features that are listed; the rest is in `--json`. */
const MOST = { classes: 12, features: 30 }

/** The marks of a histogram, from few to many. */
const MARKS = '▁▂▃▄▅▆▇█'

/** The least and the largest width of a histogram, in cells. */
const WIDTH = { least: 5, most: 20 }

/** Formats a look at examples as lines that fit a terminal of this width, from 40 columns on. */
export function peekLines(look: ExamplesLook, width: number): string[] {
  const { schema, shape, splits } = look
  const rows = splits.reduce((sum, split) => sum + split.rows, 0)
  const features = shape.reduce((product, size) => product * size, 1)
  const columns = schema.map(
    ({ name, type }) => `${name}: ${type.replace(/^FixedSizeList\[(\d+)\]<(\w+)>$/, '$2[$1]')}`,
  )
  const lines = [
    `${counted(rows, 'row')} × ${counted(features, 'feature')}${shape.length > 1 ? ` (${shape.join('×')})` : ''}`,
    ...wrapped(columns, width),
    '',
    ...classLines(look, width),
    '',
    ...featureLines(look.features, width),
  ]
  return lines.map((line) => cutToCells(oneLine(line), width).trimEnd())
}

/** Joins parts by commas into lines of at most this width. */
function wrapped(parts: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last !== undefined && cellsOf(last) + 2 + cellsOf(part) <= width) lines[lines.length - 1] = `${last}, ${part}`
    else lines.push(part)
  }
  return lines
}

/** A line for each class with its rows in each split, and the share of them. */
function classLines({ classes, splits }: ExamplesLook, width: number): string[] {
  const rows = classes
    .slice(0, MOST.classes)
    .map((name, c) => [name, ...splits.map(({ perClass }) => String(perClass[c]!))])
  if (splits.some(({ unknown }) => unknown > 0))
    rows.push(['(unknown)', ...splits.map(({ unknown }) => String(unknown))])
  if (splits.some(({ weight }) => weight !== undefined))
    rows.push(['(weight)', ...splits.map(({ weight }) => (weight === undefined ? '–' : short(weight)))])
  const all = [['class', ...splits.map(({ name }) => name || '–')], ...rows]
  return [
    ...table(all, width),
    ...(classes.length > MOST.classes ? [`… and ${counted(classes.length - MOST.classes, 'more class')}`] : []),
  ]
}

function featureLines(features: readonly FeatureLook[], width: number): string[] {
  const shown = features.slice(0, MOST.features)
  const hasFill = width >= 60 && shown.some(({ fill }) => fill !== undefined)
  const isWide = width >= 60
  const head = [
    'feature',
    'min',
    'mean',
    'max',
    ...(isWide ? ['deviation', 'zeros'] : []),
    ...(hasFill ? ['missing →'] : []),
  ]
  const rows = shown.map((feature) => [
    feature.name,
    ...[feature.min, feature.mean, feature.max].map(short),
    ...(isWide ? [short(feature.deviation), `${Math.round(100 * feature.zeros)} %`] : []),
    ...(hasFill
      ? [feature.fill === undefined ? '' : typeof feature.fill === 'number' ? short(feature.fill) : feature.fill]
      : []),
  ])
  const lines = table([head, ...rows], width - WIDTH.least - 2)
  const used = Math.max(...lines.map(cellsOf))
  const bins = Math.max(WIDTH.least, Math.min(WIDTH.most, width - used - 2))
  return [
    lines[0]!,
    ...shown.map(({ histogram }, i) => `${padToCells(lines[i + 1]!, used)}  ${marks(histogram, bins)}`),
    ...(features.length > MOST.features ? [`… and ${features.length - MOST.features} more (--json has all)`] : []),
  ]
}

/** Lays out rows: the first column is cut so that all fit, the others are numbers. */
function table(rows: readonly (readonly string[])[], width: number): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => cellsOf(row[i]!))))
  const numbers = widths.slice(1).reduce((sum, each) => sum + each + 2, 0)
  const first = Math.max(5, Math.min(widths[0]!, width - numbers))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? padToCells(cut(cell, first), first) : ' '.repeat(widths[i]! - cellsOf(cell)) + cell))
      .join('  '),
  )
}

function cut(text: string, cells: number): string {
  return cellsOf(text) <= cells ? text : `${cutToCells(text, cells - 1)}…`
}

/** A number of at most seven characters. */
function short(value: number): string {
  const digits = String(Number(value.toPrecision(3)))
  return digits.length <= 7 ? digits : value.toExponential(1).replace('e+', 'e')
}

/** Draws a histogram in so many cells. A part without any number is blank, the fullest part is a whole block. */
function marks(histogram: readonly number[], cells: number): string {
  const joined = new Array<number>(Math.min(cells, histogram.length)).fill(0)
  for (const [i, count] of histogram.entries()) joined[Math.floor((i * joined.length) / histogram.length)]! += count
  const most = Math.max(...joined)
  return joined
    .map((count) => (count === 0 ? ' ' : MARKS[Math.min(MARKS.length - 1, Math.floor((count / most) * MARKS.length))]))
    .join('')
}
