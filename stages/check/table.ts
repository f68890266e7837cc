import { Field, Float64, Int32, List, Schema, Table, Utf8, type Vector, vectorFromArray } from 'apache-arrow'
import { type Position, writePosition } from '../../pipeline/stage-kit.js'

/** One comparison of a gradient, for one array of the model. */
export interface GradientCheck {
  /** The origin of the gradient: `step` (the training step), or the kernel `reference`, `native` or `wasm`. */
  readonly gradient: string
  /** Weight of the penalty in the cost. */
  readonly lambda: number
  /** Name of the array. */
  readonly array: string
  /**
   * It is compared with `forward` or `centred` differences of the cost, the `reference` kernel, or nothing (`none`).
   */
  readonly method: string
  /** Step size of the difference; null for other methods. */
  readonly h: number | null
  /** Number of rows of the batch. */
  readonly examples: number
  /** Number of elements of the array that were compared. */
  readonly count: number
  /** Number of elements that were not compared, because a kink of the loss is between `w - h` and `w + h`. */
  readonly kinks: number
  /** Number of elements of the array. */
  readonly size: number
  /** Largest absolute error; NaN if nothing was compared. */
  readonly max_absolute_error: number
  /** Mean absolute error; NaN if nothing was compared. */
  readonly mean_absolute_error: number
  /**
   * Largest relative error: `|g - e| / max(eps, |g| + |e|)` for differences, `|g - e| / max |e|` for the reference.
   */
  readonly max_relative_error: number
  /** Mean relative error. */
  readonly mean_relative_error: number
  /** Index of the largest absolute error, one number per extent of the array: `[class, feature]`. */
  readonly worst: readonly number[]
  /** The gradient at `worst`. */
  readonly analytic: number
  /** The value at `worst` that it is compared with. */
  readonly expected: number
  /** Largest error that is accepted: absolute for differences, relative for the reference. */
  readonly threshold: number
  /**
   * `unchecked` if nothing could be compared. Null for rows that only show how the error depends on `h`: a method is
   * judged at the `h` at which most elements agree.
   */
  readonly verdict: 'pass' | 'fail' | 'unchecked' | null
}

/** Makes the row for an array for which the gradient of the step was not checked. */
export function uncheckedStep(
  array: string,
  lambda: number,
  threshold: number,
): Omit<GradientCheck, 'examples' | 'size'> {
  const none = Number.NaN
  return {
    gradient: 'step',
    lambda,
    array,
    method: 'none',
    h: null,
    count: 0,
    kinks: 0,
    max_absolute_error: none,
    mean_absolute_error: none,
    max_relative_error: none,
    mean_relative_error: none,
    worst: [],
    analytic: none,
    expected: none,
    threshold,
    verdict: 'unchecked',
  }
}

const types = {
  gradient: new Utf8(),
  lambda: new Float64(),
  array: new Utf8(),
  method: new Utf8(),
  h: new Float64(),
  examples: new Int32(),
  count: new Int32(),
  kinks: new Int32(),
  size: new Int32(),
  max_absolute_error: new Float64(),
  mean_absolute_error: new Float64(),
  max_relative_error: new Float64(),
  mean_relative_error: new Float64(),
  worst: new List(new Field('item', new Int32(), false)),
  analytic: new Float64(),
  expected: new Float64(),
  threshold: new Float64(),
  verdict: new Utf8(),
} satisfies Record<keyof GradientCheck, unknown>

const names = Object.keys(types) as (keyof GradientCheck)[]

/** Makes a `gradient-check` table with one row per comparison. */
export function gradientCheckTable(position: Position, rows: readonly GradientCheck[]): Table {
  const columns = names.map((name) => [
    name,
    vectorFromArray(
      rows.map((row) => row[name]),
      types[name] as Utf8,
    ),
  ])
  const table = new Table(Object.fromEntries(columns) as Record<string, Vector>)
  const metadata = writePosition(new Map([['wire', 'gradient-check']]), position)
  return new Table(new Schema(table.schema.fields, metadata), table.batches)
}

/** Returns the rows of a `gradient-check` table as objects. */
export function gradientChecks(table: Table): GradientCheck[] {
  return Array.from({ length: table.numRows }, (_, i) => {
    const values = names.map((name) => [name, table.getChild(name)!.get(i)] as const)
    return Object.fromEntries(
      values.map(([name, value]) => [name, name === 'worst' ? [...(value as Iterable<number>)] : value]),
    ) as unknown as GradientCheck
  })
}

/** Formats the message for a gradient that failed: `W[3, 17]: the gradient of the step is 0.5 …`. */
export function formatFailure(check: GradientCheck): string {
  const { gradient, lambda, array, worst, method, h, analytic, expected, threshold } = check
  const whose = gradient === 'step' ? 'the step' : `the ${gradient} kernel`
  const other = h === null ? 'the reference kernel gives' : `${method} differences (h = ${h}) give`
  const error = h === null ? check.max_relative_error : check.max_absolute_error
  const kind = h === null ? 'of the largest magnitude' : 'absolute'
  const number = (value: number): string => String(Number(value.toPrecision(6)))
  const found = `the gradient of ${whose} is ${number(analytic)} (lambda ${lambda}), ${other} ${number(expected)}`
  const size = `the error is ${error.toExponential(1)} ${kind}, allowed ${threshold}`
  return `${array}[${worst.join(', ')}]: ${found}; ${size}`
}
