/** The type of the numbers of rows. */
export type RowType = 'float32' | 'uint8'

/** Numbers of rows. */
export type RowValues = Float32Array | Uint8Array

/** Some rows. */
export interface Block {
  /** Row-major values. */
  readonly values: RowValues
  /** A number for the label of each row. */
  readonly labels: Int32Array
  /** The number of each row in its source; undefined: its index. */
  readonly numbers: Int32Array | undefined
  /** The weight of each row; undefined: 1. */
  readonly weights: Float32Array | undefined
}

/** What is kept of each row beside its values and its label. */
export interface RowExtras {
  /** Whether rows have numbers of their own. Without them, a row's number is its index. */
  readonly numbers?: boolean
  /** Whether rows have weights. */
  readonly weights?: boolean
}

/**
 * Makes a block of `rows` rows.
 *
 * @param values the memory of its `rows * width` values
 */
export function newBlock(rows: number, values: RowValues, extras: RowExtras): Block {
  return {
    values,
    labels: new Int32Array(rows),
    numbers: extras.numbers ? new Int32Array(rows) : undefined,
    weights: extras.weights ? new Float32Array(rows) : undefined,
  }
}

/** The arrays of a block, in the order in which they lie in the file. */
export function arraysOf({ values, labels, numbers, weights }: Block): (RowValues | Int32Array)[] {
  return [values, labels, ...(numbers ? [numbers] : []), ...(weights ? [weights] : [])]
}

/** Writes numbers that lie in one piece to every `step`th place. There is one for each type, which V8 compiles for it. */
export function fillFloats(
  values: RowValues,
  at: number,
  step: number,
  column: Float32Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) values[at + i * step] = column[from + i]!
}

/** As `fillFloats`. */
export function fillDoubles(
  values: RowValues,
  at: number,
  step: number,
  column: Float64Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) values[at + i * step] = column[from + i]!
}
