/**
 * Kernels are the arithmetic of Millrace: what a softmax classifier computes, and nothing else.
 *
 * A `Kernels` object owns memory (`allocate`) and makes classifiers (`softmax`). A classifier holds its
 * parameters and offers seven things: `step` (one descent step), `accumulate` and `gradient` (the same sums, without
 * descending), `descend` (a step on sums of several processes), `evaluate` (loss and accuracy), `penalty` (what lambda
 * weighs) and `logits`. There is one interface and there are several implementations: `reference.ts`, in float64, is
 * written to be read and is the oracle for the others.
 *
 * With one implementation, results do not depend on the number of threads: every sum has a fixed order.
 */

export type KernelName = 'native' | 'wasm' | 'reference'

/** `W` row-major `[classes, features]`, `b` `[classes]`. */
export interface Parameters<A = Float32Array | Float64Array> {
  readonly W: A
  readonly b: A
}

/**
 * Standardisation still to be applied to uint8 values, per feature: `z = (x - mean) * scale`. It never changes:
 * kernels fold it into the weights once for as long as the same object comes with the rows.
 */
export interface Affine {
  readonly mean: Float64Array
  readonly scale: Float64Array
}

/**
 * Rows of one split or batch; their number is `labels.length`.
 *
 * `values` is row-major `[rows, features]`. uint8 values may carry an `affine` map, which kernels fold into the
 * weights (`|mean * scale|` stays small, see `stages/normalize`); float32 values are used as they are. Values that are
 * too few for the rows, or a map of another width, make a kernel throw a RangeError. (Checks: `check.ts`.)
 */
export interface Rows {
  readonly values: Uint8Array | Float32Array
  /** Class of each row, `0 … classes - 1`; anything else makes a kernel throw a RangeError. */
  readonly labels: Int32Array
  readonly affine?: Affine | undefined
}

/** Sums over rows: cross-entropy (natural logarithm), and rows whose largest logit (first of equals) is their label's. */
export interface Evaluation {
  readonly loss: number
  readonly correct: number
}

/** A softmax classifier, `p = softmax(W z + b)`, with its parameters and the sums of the step in progress. */
export interface Softmax {
  readonly features: number
  readonly classes: number
  /** The parameters themselves, not a copy: they change with every `step`. Write through `load` only. */
  readonly parameters: Parameters
  /** Copies parameters in (from either precision). A RangeError where their lengths are not those of these. */
  load(parameters: Parameters): void
  /**
   * One step of gradient descent on the mean cost of the rows accumulated so far and these ones:
   * `W -= eta * (dW + 2 * lambda * W)`, `b -= eta * db`. Returns their mean loss before the step. Throws a RangeError
   * where there is no row at all; nothing has changed then, nor where a label is wrong.
   */
  step(rows: Rows, eta: number, lambda: number): number
  /**
   * Adds these rows to the sums of the step in progress: a batch larger than `slice` allows is cut this way. Each part
   * may carry an affine map of its own.
   */
  accumulate(rows: Rows): void
  /**
   * The gradient of the mean cost over the accumulated rows, and their mean loss; clears the sums. Throws as `step`
   * does where there is no row.
   *
   * @param into where to write it, in the kernel's precision; default: memory of its own
   */
  gradient(lambda: number, into?: Parameters): Parameters & { readonly loss: number }
  /** A step on a gradient of the mean loss that was added up outside, see `descend.ts`. */
  descend(slope: Parameters, eta: number, lambda: number): void
  evaluate(rows: Rows): Evaluation
  /** `Σ W²`, summed in float64: `lambda` times this is what the cost has beyond the loss. */
  penalty(): number
  /** Writes `W z + b` for each row to the front of `out`, `[rows, classes]`. Labels do not matter. */
  logits(rows: Rows, out: Float32Array | Float64Array): void
  /** Gives its memory back; the classifier must not be used afterwards (but may be freed again). */
  free(): void
}

/** Exact integer statistics per feature of uint8 rows. */
export interface Moments {
  readonly sum: Float64Array
  readonly squares: Float64Array
  readonly min: Uint8Array
  readonly max: Uint8Array
}

export interface Kernels {
  readonly name: KernelName
  /** What the arithmetic runs on, for `run.json`: `avx512`, `simd128`, `float64` … */
  readonly detail: string
  readonly threads: number
  readonly precision: 'float32' | 'float64'
  /**
   * Work that one call should not exceed, so that it blocks the event loop for 50 ms at most, and for some 10 ms as a
   * rule, on a single thread too: multiply-adds, see `rowsPerCall`. Callers cut larger work into slices and let the
   * event loop breathe between them. A constant of `name` and `detail`, so that sums keep their order.
   */
  readonly slice: number
  /**
   * Zeroed, 64-byte aligned shared memory that the kernel reads in place. Other memory works too, at the cost of
   * a copy where the kernel cannot reach it. Lives until `close`.
   */
  allocate(bytes: number): Uint8Array
  softmax(features: number, classes: number): Softmax
  moments(values: Uint8Array, features: number): Moments
  /**
   * Gives memory and threads back, some of them a moment later. Views into the memory must not be used afterwards;
   * classifiers throw.
   */
  close(): void
}

export interface KernelOptions {
  readonly kernel?: KernelName | undefined
  /** Default: one per core, and there are no more than cores, since more only take turns. The reference always has one. */
  readonly threads?: number | undefined
  /** As many threads as asked for, whatever the machine has: for tests that results do not depend on them. */
  readonly oversubscribe?: boolean | undefined
}
