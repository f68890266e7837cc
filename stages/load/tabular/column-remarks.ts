import { someOf } from '../../../pipeline/stage-kit.js'

/** Rows from which on a column that numbers them is told: a few numbers may be in order by chance. */
const LEAST_ROWS = 8

/**
 * A column is told if float32 rounds a number by more than this share of the column's range, or makes this share of
 * neighbours equal that differ in the file.
 */
const LOST = { range: 1e-4, neighbours: 0.01 }

/** What is known of the numbers of one column. */
interface Seen {
  first: number
  last: number
  min: number
  max: number
  isWhole: boolean
  /** Sums of the distances to the first number, and of their squares. */
  sum: number
  squares: number
  /** The largest change by rounding to float32, and the number that it changed. */
  error: number
  changed: number
  /** How many numbers differ from the one before, but not as float32. */
  merged: number
}

/** Watches the numbers of a file while they are read, and finds columns that are probably not what they seem. */
export class ColumnRemarks {
  private readonly columns: Seen[] = []
  private rows = 0

  /** Takes the numbers of a row, by feature. */
  see(values: ArrayLike<number>): void {
    for (let j = 0; j < values.length; j++) {
      const value = values[j]!
      const seen = this.columns[j]
      if (seen) add(seen, value)
      else this.columns[j] = firstSeen(value)
    }
    this.rows++
  }

  /**
   * Takes `rows` numbers of one feature from `from` on, as `see` would one by one. `saw` counts these rows.
   *
   * @param isExact whether float32 holds all numbers of this column
   * @param step from one number of the feature to the next
   */
  seeColumn(
    feature: number,
    values: Float32Array | Float64Array,
    from: number,
    rows: number,
    isExact: boolean,
    step = 1,
  ): void {
    if (rows === 0) return
    this.columns[feature] ??= firstSeen(values[from]!)
    const seen = this.columns[feature]
    const end = from + rows * step
    // Of numbers that float32 holds and that are not whole, no remark is made.
    for (let i = from; i < end && (seen.isWhole || !isExact); i += step) add(seen, values[i]!)
  }

  /** Takes rows of `width` numbers that lie one after the other, as `see` would one by one. */
  seeRows(values: Float64Array, width: number): void {
    const rows = values.length / width
    for (let j = 0; j < width; j++) this.seeColumn(j, values, j, rows, false, width)
    this.saw(rows)
  }

  /** The numbers of each feature. */
  ranges(): FeatureRange[] {
    return this.columns.map(({ min, max, error, merged, changed }) => {
      const isLossy = max > min && (error > LOST.range * (max - min) || merged > LOST.neighbours * this.rows)
      return { min, max, changed: isLossy ? changed : undefined }
    })
  }

  /** Counts rows whose columns were given to `seeColumn`. */
  saw(rows: number): void {
    this.rows += rows
  }

  /**
   * Returns a remark on columns that number the rows.
   *
   * @param titleOf the name or the index of the column of a feature
   * @param offsetOf what was subtracted from it
   */
  rowNumbers(titleOf: (feature: number) => string, offsetOf: (feature: number) => number): string | undefined {
    const found = this.columns.flatMap((seen, j) => (numbersRows(seen, this.rows) ? [j] : []))
    if (found.length === 0) return undefined
    const { min, max } = this.columns[found[0]!]!
    const offset = offsetOf(found[0]!)
    const [columns, numbers, says] = found.length === 1 ? ['column', 'numbers', 'says'] : ['columns', 'number', 'say']
    return (
      `the ${columns} ${someOf(found.map(titleOf))} ${numbers} the rows (each whole number from ${min + offset} to ${max + offset} once); ` +
      `if that ${says} nothing about an example, leave the ${columns} out with drop`
    )
  }
}

/** What the numbers of a feature are as float32. */
export interface FeatureRange {
  /** The smallest number; infinity if all cells are missing. */
  readonly min: number
  /** The largest number; minus infinity if all cells are missing. */
  readonly max: number
  /** The number that float32 changes most, if the column loses digits by it. */
  readonly changed: number | undefined
}

function firstSeen(value: number): Seen {
  const isMissing = Number.isNaN(value)
  return {
    first: value,
    last: value,
    min: isMissing ? Number.POSITIVE_INFINITY : value,
    max: isMissing ? Number.NEGATIVE_INFINITY : value,
    isWhole: Number.isInteger(value),
    sum: 0,
    squares: 0,
    error: isMissing ? 0 : Math.abs(value - Math.fround(value)),
    changed: value,
    merged: 0,
  }
}

function add(seen: Seen, value: number): void {
  const stored = Math.fround(value)
  if (value < seen.min) seen.min = value
  if (value > seen.max) seen.max = value
  if (seen.isWhole) {
    if (Number.isInteger(value)) {
      const distance = value - seen.first
      seen.sum += distance
      seen.squares += distance * distance
    } else seen.isWhole = false
  }
  const error = Math.abs(value - stored)
  if (error > seen.error) {
    seen.error = error
    seen.changed = value
  }
  if (value !== seen.last && stored === Math.fround(seen.last)) seen.merged++
  seen.last = value
}

/**
 * Whether the numbers are whole, one step apart from the smallest to the largest, each once, in any order. Other whole
 * numbers in this range have another sum or other squares.
 */
function numbersRows({ first, min, max, isWhole, sum, squares }: Seen, rows: number): boolean {
  if (!isWhole || rows < LEAST_ROWS || max - min !== rows - 1) return false
  const [low, high] = [min - first, max - first]
  const expected = (rows * (low + high)) / 2
  const squaresTo = (n: number): number => (n * (n + 1) * (2 * n + 1)) / 6
  const expectedSquares = squaresTo(high) + squaresTo(-low)
  // Squares of many rows are rounded.
  return sum === expected && Math.abs(squares - expectedSquares) <= 1e-9 * expectedSquares
}
