import type { GradientCheck } from './table.js'

/** A row of the table, without the columns that are the same for all rows of an array. */
export type Comparison = Omit<GradientCheck, 'examples' | 'size'>

/** Returns the index of element `at` of a row-major array, one number per extent. */
export function indexOf(at: number, shape: readonly number[]): number[] {
  const index: number[] = []
  let rest = at
  for (const extent of [...shape].reverse()) {
    index.unshift(rest % extent)
    rest = Math.floor(rest / extent)
  }
  return index
}

/** The share of elements that may not be compared. */
const MOST_KINKS = 0.01

/** The result of a tally. */
export type Compared = Pick<
  GradientCheck,
  | 'count'
  | 'kinks'
  | 'max_absolute_error'
  | 'mean_absolute_error'
  | 'max_relative_error'
  | 'mean_relative_error'
  | 'worst'
  | 'analytic'
  | 'expected'
>

/** Collects the errors of one gradient against another. NaN counts as the largest error. */
export class Tally {
  /** Number of errors that are not larger than the threshold. */
  within = 0
  /** Number of elements that were not compared, because a kink was too near. */
  kinks = 0
  private readonly threshold: number
  private count = 0
  private readonly absolute = { max: 0, sum: 0 }
  private readonly relative = { max: 0, sum: 0 }
  private worst: readonly number[] = []
  private analytic = Number.NaN
  private expected = Number.NaN

  constructor(threshold = Number.POSITIVE_INFINITY) {
    this.threshold = threshold
  }

  /** Adds the error of one element. The relative error is the absolute error divided by `scale`. */
  add(index: readonly number[], analytic: number, expected: number, scale: number): void {
    const error = Math.abs(analytic - expected)
    if (this.count === 0 || isLarger(error, this.absolute.max)) {
      this.worst = index
      this.analytic = analytic
      this.expected = expected
    }
    this.count++
    if (error <= this.threshold) this.within++
    include(this.absolute, error)
    include(this.relative, error / scale)
  }

  /** True if no error is larger than the threshold, and few elements were not compared. */
  get holds(): boolean {
    return this.within === this.count && this.kinks <= MOST_KINKS * (this.count + this.kinks)
  }

  /** Mean absolute error. */
  get mean(): number {
    return this.absolute.sum / this.count
  }

  /** The errors so far. */
  result(): Compared {
    const { count, worst, analytic, expected } = this
    return {
      count,
      kinks: this.kinks,
      max_absolute_error: this.absolute.max,
      mean_absolute_error: this.mean,
      max_relative_error: this.relative.max,
      mean_relative_error: this.relative.sum / count,
      worst,
      analytic,
      expected,
    }
  }
}

function include(errors: { max: number; sum: number }, error: number): void {
  if (isLarger(error, errors.max)) errors.max = error
  errors.sum += error
}

function isLarger(error: number, than: number): boolean {
  return error > than || (Number.isNaN(error) && !Number.isNaN(than))
}
