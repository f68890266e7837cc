/**
 * Kernels are the arithmetic of Millrace. They know rows, dense layers, losses and update rules; they know neither YAML
 * nor the names of learners.
 *
 * A `Kernels` object owns memory (`allocate`) and makes networks (`network`). There is one contract and several
 * implementations (`registry.ts`). `reference.ts`, in float64, is written to be read and is the oracle for the others.
 *
 * With one implementation, results do not depend on the number of threads: every sum has a fixed order.
 */

/** The implementations, the fastest first; `registry.ts` says how each is opened. */
export const kernelNames = ['native', 'wasm', 'reference'] as const

/** The name of an implementation. */
export type KernelName = (typeof kernelNames)[number]

/** A value, or a promise of it: a kernel on a device has results later than the call. */
export type Later<T> = T | Promise<T>

/** Numbers in the precision of a kernel. */
export type Numbers = Float32Array | Float64Array

/** The arrays of a model by name, row-major: `W` `[classes, features]`, `b` `[classes]`. */
export type Arrays<A extends Numbers = Numbers> = Readonly<Record<string, A>>

/**
 * Standardisation that is still to be applied to uint8 values, per feature: `z = (x - mean) * scale`. It never changes:
 * kernels fold it into the weights once for as long as the same object comes with the rows.
 */
export interface Affine {
  /** Subtracted from each value; one entry per feature. */
  readonly mean: Float64Array
  /** Multiplied afterwards; one entry per feature. 0 for a constant feature. */
  readonly scale: Float64Array
}

/**
 * Rows of one split or batch; their number is `labels.length`.
 *
 * uint8 values may carry an `affine` map, which kernels fold into the weights (`|mean * scale|` stays small, see
 * `stages/normalize`); float32 values are used as they are. Values that are too few for the rows, or a map of another
 * width, make a kernel throw a RangeError. (Checks: `check.ts`.)
 */
export interface Rows {
  /** Row-major `[rows, features]`. */
  readonly values: Uint8Array | Float32Array
  /** Class of each row, `0 … classes - 1`; anything else makes a kernel throw a RangeError. */
  readonly labels: Int32Array
  /** The map that the values still need, if any. */
  readonly affine?: Affine | undefined
}

/** A dense layer: `y = W x + b`. */
export interface DenseLayer {
  /** Number of outputs. */
  readonly units: number
}

/** The losses that kernels know. `cross-entropy` is that of the softmax of the last layer's outputs. */
export type LossName = 'cross-entropy'

/** What a network is: layers from the features to one output per class, and the loss on top. */
export interface NetworkShape {
  /** Width of a row. */
  readonly features: number
  /** From the features to the classes; the last layer has a unit per class. */
  readonly layers: readonly DenseLayer[]
  /** What is minimised, beside the penalty. */
  readonly loss: LossName
}

/** A step of gradient descent with weight decay: `W -= eta * (dW + 2 * lambda * W)`, `b -= eta * db`. */
export interface SgdStep {
  /** The update rule that the kernel performs together with the gradient. */
  readonly rule: 'sgd'
  /** Learning rate. */
  readonly eta: number
  /** Weight of the penalty `Σ W²`. */
  readonly lambda: number
}

/** Sums over rows. */
export interface Evaluation {
  /** Sum of the losses (natural logarithm). */
  readonly loss: number
  /** Rows whose largest score (the first of equals) is their label's. */
  readonly correct: number
}

/** The gradient of the mean cost over rows, and their mean loss. */
export interface Gradient<A extends Numbers = Numbers> {
  /** By the names of the parameters. */
  readonly arrays: Arrays<A>
  /** Mean loss, without the penalty. */
  readonly loss: number
}

/** A network with its parameters and the sums of the step in progress. */
export interface Network {
  /** Width of a row. */
  readonly features: number
  /** Number of outputs. */
  readonly classes: number
  /**
   * The parameters. A kernel in this process gives the live arrays, which change with every step; a kernel on a device
   * reads them back. Write through `load` or `change` only.
   */
  read(): Later<Arrays>
  /** Copies parameters in, from either precision. Throws a RangeError if their lengths do not fit. */
  load(parameters: Arrays): void
  /** Lets `write` change the parameters in place: for update rules that the kernel does not perform itself. */
  change(write: (parameters: Arrays) => void): Later<void>
  /**
   * One step on the mean cost of the rows accumulated so far and these ones. Returns their mean loss before the step; on
   * a device it may come later. Throws a RangeError if there is no row at all or a label is wrong; nothing has changed then.
   */
  step(rows: Rows, update: SgdStep): Later<number>
  /**
   * Adds these rows to the sums of the step in progress: a batch larger than `slice` allows is cut this way. Each part
   * may carry an affine map of its own.
   */
  accumulate(rows: Rows): void
  /**
   * The gradient of the mean cost over the accumulated rows; clears the sums. Throws as `step` does if there is no row.
   *
   * @param into where to write it, in the kernel's precision; default: memory of its own
   */
  gradient(lambda: number, into?: Arrays): Later<Gradient>
  /** Loss and hits, summed over the rows. */
  evaluate(rows: Rows): Later<Evaluation>
  /** `Σ W²` over the weights of all layers, in float64: `lambda` times this is the penalty. */
  penalty(): Later<number>
  /** Writes the outputs of the last layer for each row to the front of `out`, `[rows, classes]`. Labels do not matter. */
  scores(rows: Rows, out: Numbers): Later<void>
  /** Gives its memory back; the network must not be used afterwards (but may be freed again). */
  free(): void
}

/** Exact integer statistics per feature of uint8 rows. */
export interface Moments {
  /** Sum of the values. */
  readonly sum: Float64Array
  /** Sum of their squares. */
  readonly squares: Float64Array
  /** Least value. */
  readonly min: Uint8Array
  /** Largest value. */
  readonly max: Uint8Array
}

/** An opened kernel. */
export interface Kernels {
  /** Which implementation it is. */
  readonly name: KernelName
  /** What the arithmetic runs on, for `run.json`: `avx512`, `simd128`, `float64` … */
  readonly detail: string
  /** Number of threads, the calling one included. */
  readonly threads: number
  /** Precision of parameters, gradients and scores. */
  readonly precision: 'float32' | 'float64'
  /**
   * Work that one call should not exceed, in multiply-adds (see `rowsPerCall`): some 10 ms as a rule, 50 ms at most, on
   * a single thread too. Callers cut larger work into slices and yield to the event loop between them. A constant of
   * `name` and `detail`, so that sums keep their order.
   */
  readonly slice: number
  /** Whether memory from `allocate` stays valid after `close`. */
  readonly memoryOutlivesClose: boolean
  /**
   * Zeroed, 64-byte aligned shared memory that the kernel reads in place. Other memory works too, at the cost of
   * a copy if the kernel cannot reach it. Lives until `close`, or longer (`memoryOutlivesClose`).
   */
  allocate(bytes: number): Uint8Array
  /** Makes a network. Throws a RangeError if the kernel cannot compute one of this shape. */
  network(shape: NetworkShape): Network
  /** Statistics of rows; throws a RangeError unless the values are whole rows. */
  moments(values: Uint8Array, features: number): Moments
  /**
   * Gives memory and threads back, some of them a moment later. Views into the memory must not be used afterwards;
   * networks throw.
   */
  close(): void
}

/** Which kernel to open, and how. */
export interface KernelOptions {
  /** Default: the fastest that this machine has. */
  readonly kernel?: KernelName | undefined
  /** Default and most: one per core. The reference kernel always has one. */
  readonly threads?: number | undefined
  /** As many threads as asked for, whatever the machine has: for tests that results do not depend on them. */
  readonly oversubscribe?: boolean | undefined
}
