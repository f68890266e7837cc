import type { Table } from 'apache-arrow'
import {
  type Affine,
  composed,
  countRows,
  exampleFields,
  examplesTable,
  isFoldable,
  kernelRows,
  layoutOf,
  PipelineError,
  perRowOf,
  type Rows,
  rowsByShard,
  type StageContext,
  shareOf,
  splitOf,
  turn,
  widthOf,
} from '../../pipeline/stage-kit.js'

/** Mean, deviation and range per feature. */
export interface Statistics {
  /** Mean. */
  readonly mean: Float64Array
  /** Population standard deviation (divided by n). */
  readonly deviation: Float64Array
  /** Smallest value. */
  readonly min: Float64Array
  /** Largest value. */
  readonly max: Float64Array
}

/**
 * Computes the statistics of the rows of all tables in float64. Affine maps of the tables are not applied. Throws a
 * PipelineError `DATA` if there are no rows. The sums of the shards are added in their order, so that every rank has
 * the same bits.
 */
export async function statisticsOf(tables: readonly Table[], context: StageContext): Promise<Statistics> {
  const [first] = tables
  if (!first) throw new PipelineError('DATA', 'there are no rows to compute statistics on')
  const width = widthOf(layoutOf(first).shape)
  const { parallel } = context
  const parts = rowsByShard(tables, splitOf(first), parallel)
  const gather = (own: Float64Array[]): Promise<Float64Array[]> => parallel.gather(own)

  const sums: Float64Array[] = []
  for (const part of parts) sums.push(await sumsOf(part, width, context))
  const { sum, squares, min, max, count } = joined(await gather(sums), width)
  if (count === 0) throw new PipelineError('DATA', 'there are no rows to compute statistics on')
  const mean = sum.map((total) => total / count)
  if (parts[0]?.[0]?.values instanceof Uint8Array)
    return { mean, deviation: exactDeviation(sum, squares, count), min, max }
  const spreads: Float64Array[] = []
  for (const part of parts) spreads.push(await spreadOf(part, mean, context))
  const spread = (await gather(spreads)).reduce((total, next) => total.map((value, j) => value + next[j]!))
  return { mean, deviation: spread.map((total) => Math.sqrt(total / count)), min, max }
}

/** Sum, sum of squares (uint8 rows only), smallest and largest value of each feature, and the number of rows. */
async function sumsOf(parts: readonly Rows[], width: number, context: StageContext): Promise<Float64Array> {
  const vector = new Float64Array(4 * width + 1)
  const { sum, squares, min, max } = sections(vector, width)
  min.fill(Number.POSITIVE_INFINITY)
  max.fill(Number.NEGATIVE_INFINITY)
  vector[4 * width] = countRows(parts)
  for await (const values of chunks(parts, width, context)) {
    if (values instanceof Uint8Array) {
      const moments = context.kernels.moments(values, width)
      for (let j = 0; j < width; j++) {
        sum[j]! += moments.sum[j]!
        squares[j]! += moments.squares[j]!
        min[j] = Math.min(min[j]!, moments.min[j]!)
        max[j] = Math.max(max[j]!, moments.max[j]!)
      }
    } else {
      for (let i = 0, j = 0; i < values.length; i++, j = j + 1 === width ? 0 : j + 1) {
        const x = values[i]!
        sum[j]! += x
        if (x < min[j]!) min[j] = x
        if (x > max[j]!) max[j] = x
      }
    }
  }
  return vector
}

/** The sum of squared distances to the mean, per feature. */
async function spreadOf(parts: readonly Rows[], mean: Float64Array, context: StageContext): Promise<Float64Array> {
  const width = mean.length
  const spread = new Float64Array(width)
  for await (const values of chunks(parts, width, context))
    for (let i = 0, j = 0; i < values.length; i++, j = j + 1 === width ? 0 : j + 1)
      spread[j]! += (values[i]! - mean[j]!) ** 2
  return spread
}

function sections(vector: Float64Array, width: number) {
  const [sum, squares, min, max] = [0, 1, 2, 3].map((i) => vector.subarray(i * width, (i + 1) * width))
  return { sum: sum!, squares: squares!, min: min!, max: max!, count: vector[4 * width]! }
}

/** The sums of all parts, added in their order. */
function joined(vectors: readonly Float64Array[], width: number) {
  return vectors
    .map((vector) => sections(vector, width))
    .reduce((all, next) => ({
      sum: all.sum.map((value, j) => value + next.sum[j]!),
      squares: all.squares.map((value, j) => value + next.squares[j]!),
      min: all.min.map((value, j) => Math.min(value, next.min[j]!)),
      max: all.max.map((value, j) => Math.max(value, next.max[j]!)),
      count: all.count + next.count,
    }))
}

/**
 * The standard deviation, from integer sums. The sums are shifted by the rounded mean to avoid cancellation; they stay
 * exact integers.
 */
function exactDeviation(sum: Float64Array, squares: Float64Array, count: number): Float64Array {
  return sum.map((total, j) => {
    const shift = Math.round(total / count)
    const first = total - count * shift
    const second = squares[j]! - 2 * shift * total + count * shift * shift
    return Math.sqrt(Math.max(0, second / count - (first / count) ** 2))
  })
}

/**
 * Cuts the rows into pieces of about a megabyte. Yields to the event loop between them if necessary, and ends with an
 * error when the run is stopped: nothing has been trained yet that a checkpoint could hold.
 */
async function* chunks(parts: readonly { values: Uint8Array | Float32Array }[], width: number, context: StageContext) {
  const step = Math.max(1, Math.floor(2 ** 20 / width)) * width
  for (const { values } of parts)
    for (let at = 0; at < values.length; at += step) {
      yield values.subarray(at, at + step)
      await turn(context)
    }
}

/**
 * Applies `z = (x - mean) * scale` to the stored values. It replaces the map that the table carries. uint8 rows stay as
 * they are and get the map as metadata. float32 rows, and uint8 rows for which folding would lose digits, are written
 * as floats into new memory.
 */
export async function standardised(table: Table, affine: Affine, context: StageContext): Promise<Table> {
  const { applied, affine: _, ...layout } = layoutOf(table)
  const rows = kernelRows(table)
  const { values, labels } = rows
  const perRow = perRowOf(rows)
  const { mean, scale } = affine
  if (values instanceof Uint8Array && isFoldable(affine))
    return examplesTable(
      exampleFields({ ...layout, affine }, values),
      values,
      labels,
      splitOf(table),
      undefined,
      shareOf(table),
      perRow,
    )
  const bytes = context.kernels.allocate(values.length * 4)
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, values.length)
  // A feature that an earlier map made constant stays 0, as it does in the composed map.
  const factors = scale.map((factor, j) => (applied?.scale[j] === 0 ? 0 : factor))
  for (let from = 0; from < values.length; from += mean.length) {
    for (let j = 0; j < mean.length; j++) floats[from + j] = (values[from + j]! - mean[j]!) * factors[j]!
    const pause = turn(context)
    if (pause) await pause
  }
  return examplesTable(
    exampleFields({ ...layout, applied: applied ? composed(applied, affine) : affine }, floats),
    floats,
    labels,
    splitOf(table),
    undefined,
    shareOf(table),
    perRow,
  )
}

/** Adds a note about the features that are constant on the fit split. They become 0. */
export function noteConstants(scale: Float64Array, split: string, context: StageContext): void {
  const constant = [...scale.keys()].filter((j) => scale[j] === 0)
  if (constant.length === 0) return
  const list = constant.slice(0, 5).join(', ') + (constant.length > 5 ? ', …' : '')
  const [are, become] = constant.length === 1 ? ['is', 'becomes'] : ['are', 'become']
  context.note(`${constant.length} of ${scale.length} features ${are} constant on ${split} and ${become} 0 (${list})`)
}
