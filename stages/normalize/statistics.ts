import type { Table } from 'apache-arrow'
import { piecesInFile } from '../../learners/index.js'
import {
  layoutOf,
  PipelineError,
  type Rows,
  type RowsOrSource,
  rowsOrSourcesByShard,
  type StageContext,
  slices,
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
 * What is known of some rows, per feature, in one vector: first and second, smallest and largest value, and behind them the
 * number of rows. First and second are the sum and the sum of squares of bytes, which are exact; of floats the mean and the sum
 * of squared distances to it.
 */
type Sums = Float64Array

/** Numbers that are summed at a time: a block. Where blocks begin depends on nothing but the number of the row. */
const BLOCK = 1 << 18

/**
 * Computes the statistics of the rows of all tables in one pass, in float64. Affine maps of the tables are not applied. Throws a
 * PipelineError `DATA` if there are no rows.
 *
 * Floats: block by block, and blocks are joined in pairs (T. Chan, G. Golub, R. LeVeque, Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances, 1979), always the same blocks in the same order, whether rows are in memory or in
 * a file. The shards of a divided run are joined in their order, so that every rank has the same bits.
 */
export async function statisticsOf(tables: readonly Table[], context: StageContext): Promise<Statistics> {
  const [first] = tables
  if (!first) throw new PipelineError('DATA', 'there are no rows to compute statistics on')
  const width = widthOf(layoutOf(first).shape)
  const { parallel } = context
  const own: Sums[] = []
  let isBytes = false
  for (const part of rowsOrSourcesByShard(tables, splitOf(first), parallel)) {
    const pairs = new Pairs(width)
    for await (const values of blocksOf(part, width, context)) {
      isBytes = values instanceof Uint8Array
      pairs.add(sumsOf(values, width, context), isBytes)
    }
    own.push(pairs.all(isBytes))
  }
  const all = (await parallel.gather(own)).reduce((sum, next) => joined(sum, next, width, isBytes))
  const [one, two, min, max] = [0, 1, 2, 3].map((i) => all.slice(i * width, (i + 1) * width))
  const count = all[4 * width]!
  if (count === 0) throw new PipelineError('DATA', 'there are no rows to compute statistics on')
  return isBytes
    ? { mean: one!.map((sum) => sum / count), deviation: exactDeviation(one!, two!, count), min: min!, max: max! }
    : { mean: one!, deviation: two!.map((spread) => Math.sqrt(spread / count)), min: min!, max: max! }
}

/** Joins sums in pairs of equal size, as a binary counter counts. Only the logarithm of their number is in memory. */
class Pairs {
  private readonly width: number
  private readonly levels: (Sums | undefined)[] = []

  constructor(width: number) {
    this.width = width
  }

  add(sums: Sums, isBytes: boolean): void {
    let carried = sums
    for (let level = 0; ; level++) {
      const waiting = this.levels[level]
      this.levels[level] = undefined
      if (!waiting) {
        this.levels[level] = carried
        return
      }
      carried = joined(waiting, carried, this.width, isBytes)
    }
  }

  all(isBytes: boolean): Sums {
    const empty = new Float64Array(4 * this.width + 1)
    return this.levels.reduceRight<Sums>((sum, next) => (next ? joined(sum, next, this.width, isBytes) : sum), empty)
  }
}

function joined(a: Sums, b: Sums, width: number, isBytes: boolean): Sums {
  const [m, n] = [a[4 * width]!, b[4 * width]!]
  if (m === 0) return b
  if (n === 0) return a
  const sums = new Float64Array(a.length)
  for (let j = 0; j < width; j++) {
    const [k, low, high] = [width + j, 2 * width + j, 3 * width + j]
    if (isBytes) {
      sums[j] = a[j]! + b[j]!
      sums[k] = a[k]! + b[k]!
    } else {
      const delta = b[j]! - a[j]!
      sums[j] = a[j]! + (delta * n) / (m + n)
      sums[k] = a[k]! + b[k]! + ((delta * m) / (m + n)) * delta * n
    }
    sums[low] = Math.min(a[low]!, b[low]!)
    sums[high] = Math.max(a[high]!, b[high]!)
  }
  sums[4 * width] = m + n
  return sums
}

/** The sums of one block. */
function sumsOf(values: Uint8Array | Float32Array, width: number, { kernels }: StageContext): Sums {
  const sums = new Float64Array(4 * width + 1)
  const count = values.length / width
  sums[4 * width] = count
  if (values instanceof Uint8Array) {
    const { sum, squares, min, max } = kernels.moments(values, width)
    for (const [i, part] of [sum, squares, min, max].entries()) sums.set(part, i * width)
    return sums
  }
  const [one, two, min, max] = [0, 1, 2, 3].map((i) => sums.subarray(i * width, (i + 1) * width))
  min!.fill(Number.POSITIVE_INFINITY)
  max!.fill(Number.NEGATIVE_INFINITY)
  for (let at = 0; at < values.length; at += width)
    for (let j = 0; j < width; j++) {
      const x = values[at + j]!
      one![j]! += x
      if (x < min![j]!) min![j] = x
      if (x > max![j]!) max![j] = x
    }
  for (let j = 0; j < width; j++) one![j]! /= count
  for (let at = 0; at < values.length; at += width)
    for (let j = 0; j < width; j++) two![j]! += (values[at + j]! - one![j]!) ** 2
  return sums
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
 * Cuts rows into blocks, counted over all tables: where one table ends and the next begins makes no difference. Yields to the
 * event loop between them if necessary, and ends with an error when the run is stopped: nothing has been trained yet that a
 * checkpoint could hold.
 */
async function* blocksOf(part: readonly RowsOrSource[], width: number, context: StageContext) {
  const rowsPerCall = Math.max(1, Math.floor(BLOCK / width))
  const size = rowsPerCall * width
  const cut = (rows: Rows): Iterable<Rows> => slices(rows, rowsPerCall)
  let begun: Uint8Array | Float32Array | undefined
  let filled = 0
  for await (const { values } of piecesInFile(part, cut, { rowsPerCall }, context.memory.window)) {
    let at = 0
    while (at < values.length) {
      if (filled === 0 && values.length - at >= size) {
        yield values.subarray(at, at + size)
        at += size
        continue
      }
      begun ??= values instanceof Uint8Array ? new Uint8Array(size) : new Float32Array(size)
      const end = Math.min(values.length, at + size - filled)
      begun.set(values.subarray(at, end), filled)
      filled += end - at
      at = end
      if (filled < size) continue
      yield begun
      filled = 0
    }
    await turn(context)
  }
  if (filled > 0) yield begun!.subarray(0, filled)
}
