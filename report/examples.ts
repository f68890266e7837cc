import type { Table } from 'apache-arrow'
import { imageLayout } from '../figures/index.js'
import { grouped } from '../pipeline/base/grouped.js'
import { type Column, featuresOfColumn } from '../pipeline/wires/columns.js'
import { countsOf, kernelRows, layoutOf, splitOf } from '../pipeline/wires/examples.js'
import type { ExampleRows } from '../pipeline/wires/per-row.js'

/** Bins of a histogram; of fewer different whole numbers, one for each. */
const BINS = 20

/** What a table of examples has: its columns, its rows by split and class, and its features. */
export interface ExamplesLook {
  /** The columns with their Arrow types. */
  readonly schema: readonly { readonly name: string; readonly type: string }[]
  /** The shape of one example. */
  readonly shape: readonly number[]
  /** The names of the classes. */
  readonly classes: readonly string[]
  /** The splits, in the order in which they came. */
  readonly splits: readonly SplitLook[]
  /** The features; of images, the channels. Over the rows of all splits, standardised if the rows are. */
  readonly features: readonly FeatureLook[]
}

/** The rows of a split. */
export interface SplitLook {
  /** The name of the split. */
  readonly name: string
  /** The number of its rows. */
  readonly rows: number
  /** The number of rows of each class. */
  readonly perClass: readonly number[]
  /** The number of rows whose class is not known. */
  readonly unknown: number
  /** The sum of the weights, if the rows have weights. */
  readonly weight?: number
}

/** The numbers of one feature, or of one channel of images. */
export interface FeatureLook {
  /** Its name: that of the feature, its index if it has none, or the channel. */
  readonly name: string
  /** The smallest number. */
  readonly min: number
  /** The largest number. */
  readonly max: number
  /** The mean. */
  readonly mean: number
  /** The standard deviation (divided by n). */
  readonly deviation: number
  /** The share of numbers that are 0. */
  readonly zeros: number
  /** What missing cells have become, if the column has such a value. */
  readonly fill?: number | string
  /**
   * How many numbers lie in each of the 20 equal parts from `min` to `max`. Of whole numbers with a smaller range there is
   * a part for each; a single one if all are equal.
   */
  readonly histogram: readonly number[]
}

/**
 * Looks at all tables of a wire. Makes two passes: the first finds ranges and means, the second deviations and histograms.
 *
 * @param pause awaited after each piece of work of some milliseconds
 */
export async function lookAtExamples(
  tables: readonly Table[],
  pause: () => Promise<void> | undefined,
): Promise<ExamplesLook | undefined> {
  const [first] = tables
  if (!first) return undefined
  const { shape, classes, names, columns } = layoutOf(first)
  const parts = tables.map(kernelRows)
  const width = shape.reduce((product, size) => product * size, 1)
  const { groupOf, titles } = groupsOf(shape, names)
  const features = await statisticsOf(parts, width, groupOf, titles.length, pause)
  const fills = columns && fillsOf(columns)
  return {
    schema: first.schema.fields.map(({ name, type }) => ({ name, type: String(type) })),
    shape,
    classes,
    splits: splitsOf(tables, classes.length),
    features: features.map((feature, i) => ({
      name: titles[i]!,
      ...feature,
      ...(titles.length === width && fills?.[i] !== undefined && { fill: fills[i] }),
    })),
  }
}

function splitsOf(tables: readonly Table[], classes: number): SplitLook[] {
  return [...grouped(tables, splitOf)].map(([name, own]) => {
    const parts = own.map(kernelRows)
    const perClass = countsOf(
      parts.map(({ labels }) => labels),
      classes,
    )
    const rows = parts.reduce((sum, { labels }) => sum + labels.length, 0)
    const weights = parts.flatMap(({ weight }) => (weight ? [weight.reduce((sum, each) => sum + each, 0)] : []))
    return {
      name,
      rows,
      perClass,
      unknown: rows - perClass.reduce((sum, count) => sum + count, 0),
      ...(weights.length > 0 && { weight: weights.reduce((a, b) => a + b, 0) }),
    }
  })
}

/** Which numbers are looked at together: those of a feature, or of a channel of images. */
function groupsOf(shape: readonly number[], names: readonly string[] | undefined) {
  const image = imageLayout(shape)
  const width = shape.reduce((product, size) => product * size, 1)
  if (!image || names)
    return { groupOf: Int32Array.from({ length: width }, (_, j) => j), titles: titlesOf(width, names) }
  const { channels, strides } = image
  const groupOf = Int32Array.from({ length: width }, (_, j) =>
    channels === 1 ? 0 : strides[0] === 1 ? j % channels : Math.floor(j / strides[0]),
  )
  return { groupOf, titles: channels === 1 ? ['pixels'] : ['red', 'green', 'blue'] }
}

function titlesOf(width: number, names: readonly string[] | undefined): string[] {
  return Array.from({ length: width }, (_, j) => names?.[j] ?? String(j))
}

/** What missing cells of each feature have become. */
function fillsOf(columns: readonly Column[]): (number | string | undefined)[] {
  return columns.flatMap((column) => new Array(featuresOfColumn(column)).fill(filledWith(column)))
}

function filledWith(column: Column): number | string | undefined {
  if (column.kind === 'category' || column.fill === undefined) return column.fill
  return column.fill - (column.offset ?? 0)
}

async function statisticsOf(
  parts: readonly ExampleRows[],
  width: number,
  groupOf: Int32Array,
  groups: number,
  pause: () => Promise<void> | undefined,
): Promise<Omit<FeatureLook, 'name' | 'fill'>[]> {
  const [min, max] = [new Float64Array(groups).fill(Infinity), new Float64Array(groups).fill(-Infinity)]
  const [sum, zeros, count] = [new Float64Array(groups), new Float64Array(groups), new Float64Array(groups)]
  const spread = new Float64Array(groups)
  const isWhole = new Array<boolean>(groups).fill(true)
  /** Calls `take` for every number, as a learner sees it. */
  async function each(take: (group: number, value: number) => void): Promise<void> {
    for (const { values, affine } of parts) {
      for (let at = 0; at < values.length; at += width) {
        for (let j = 0; j < width; j++) {
          const value = values[at + j]!
          take(groupOf[j]!, affine ? (value - affine.mean[j]!) * affine.scale[j]! : value)
        }
        const waiting = pause()
        if (waiting) await waiting
      }
    }
  }
  await each((group, value) => {
    if (value < min[group]!) min[group] = value
    if (value > max[group]!) max[group] = value
    sum[group]! += value
    if (value === 0) zeros[group]!++
    count[group]!++
    if (!Number.isInteger(value)) isWhole[group] = false
  })
  const mean = sum.map((total, group) => total / count[group]!)
  const histograms = isWhole.map((whole, group) => {
    const parts = max[group]! - min[group]! + 1
    return new Array<number>(whole && parts < BINS ? Math.max(1, parts) : BINS).fill(0)
  })
  await each((group, value) => {
    spread[group]! += (value - mean[group]!) ** 2
    const range = max[group]! - min[group]!
    const histogram = histograms[group]!
    const { length } = histogram
    const place = length < BINS ? value - min[group]! : ((value - min[group]!) / range) * length
    histogram[range > 0 ? Math.min(length - 1, Math.floor(place)) : 0]!++
  })
  return histograms.map((histogram, group) => ({
    min: min[group]!,
    max: max[group]!,
    mean: mean[group]!,
    deviation: Math.sqrt(spread[group]! / count[group]!),
    zeros: zeros[group]! / count[group]!,
    histogram: min[group] === max[group] ? [count[group]!] : histogram,
  }))
}
