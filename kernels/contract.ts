/**
 * Kernels are the arithmetic of Millrace. They know rows, dense layers, losses and update rules; they know neither YAML
 * nor the names of learners.
 *
 * A `Kernels` object owns memory (`allocate`) and makes networks (`network`). There is one contract and several
 * implementations (`registry.ts`). `reference.ts`, in float64, is written to be read and is the oracle for the others.
 *
 * With one implementation, results do not depend on the number of threads: every sum has a fixed order.
 */

/**
 * The implementations that compute in this process, the fastest first. Without a name, `openKernels` opens the first that
 * the machine has.
 */
export const hostKernelNames = ['native', 'wasm', 'reference'] as const

/** All implementations; `registry.ts` opens them. `webgpu` computes on a device and is opened by its name alone. */
export const kernelNames = [...hostKernelNames, 'webgpu'] as const

/** The name of an implementation. */
export type KernelName = (typeof kernelNames)[number]

/** What a run may be told: an implementation, or `auto`, which takes `webgpu` where a measurement shows that it is faster. */
export const kernelChoices = [...kernelNames, 'auto'] as const

/** A choice of a kernel. */
export type KernelChoice = (typeof kernelChoices)[number]

/** A value, or a promise of it. A kernel on a device returns promises. */
export type Later<T> = T | Promise<T>

/** Numbers in the precision of a kernel. */
export type Numbers = Float32Array | Float64Array

/** The arrays of a model by name, row-major: `W` `[classes, features]`, `b` `[classes]`; see `arraysOfNetwork`. */
export type Arrays<A extends Numbers = Numbers> = Readonly<Record<string, A>>

/**
 * Standardisation that is still to be applied to uint8 values, per feature: `z = (x - mean) * scale`. The object must
 * not change: kernels fold it into the weights once, and again only if rows carry another object.
 */
export interface Affine {
  /** Subtracted from each value; one entry per feature. */
  readonly mean: Float64Array
  /** Multiplied afterwards; one entry per feature. 0 for a constant feature. */
  readonly scale: Float64Array
}

/** Where rows were copied from. */
export interface Origin {
  /** Rows that never change, row-major `[rows, features]`, as stored. */
  readonly values: Uint8Array | Float32Array
  /** For each copied row, its number among them. */
  readonly rows: Uint32Array
}

/**
 * Rows of one split or batch; their number is `labels.length`.
 *
 * uint8 values may carry an `affine` map, which kernels fold into the weights (`|mean * scale|` stays small, see
 * `stages/normalize`); float32 values are used as they are. A kernel throws a RangeError if there are too few values
 * for the rows, or if the map has another width (`check.ts`).
 */
export interface Rows {
  /** Row-major `[rows, features]`, as stored: bytes with an `affine` map are not standardised yet. `readRow` does it. */
  readonly values: Uint8Array | Float32Array
  /** Class of each row, `0 … classes - 1`. A kernel throws a RangeError for any other label. */
  readonly labels: Int32Array
  /** The map that is still to be applied to the values, if any. */
  readonly affine?: Affine | undefined
  /**
   * What the loss of each row is multiplied by in `step` and `accumulate`; the mean is still over the number of rows.
   * Only for a network whose shape is `weighted`. Default: 1 each.
   */
  readonly weights?: Float64Array | undefined
  /**
   * For each layer with dropout, which of its outputs stay in `step` and `accumulate`: 1 or 0 each, `[rows, units]`.
   * `evaluate` and `scores` keep all.
   */
  readonly masks?: readonly (Uint8Array | undefined)[] | undefined
  /** The values never change: a kernel on a device may keep its copy of them for as long as their memory lives. */
  readonly isFixed?: true | undefined
  /** Where the values were copied from, if it is known: a kernel on a device gathers them from its copy of the origin. */
  readonly origin?: Origin | undefined
}

/** The activations that kernels know: `relu` is `max(0, y)`. */
export type ActivationName = 'relu'

/** A dense layer: `y = W x + b`, then batch normalisation, then the activation, then dropout. */
export interface DenseLayer {
  /** Number of outputs. */
  readonly units: number
  /** Default: none. */
  readonly activation?: ActivationName | undefined
  /**
   * Whether the outputs are normalised: `gamma · (y - mean) / √(variance + 1e-5) + beta`, with the mean and the biased
   * variance of the batch in a step, and with running averages in `evaluate` and `scores` (S. Ioffe, C. Szegedy, 2015).
   */
  readonly batchNorm?: boolean | undefined
  /**
   * The share of outputs that steps drop, from 0 to below 1; those that stay are divided by `1 - dropout` (N. Srivastava
   * et al., 2014). `Rows.masks` says which. Default: 0.
   */
  readonly dropout?: number | undefined
  /** Whether `step` and `gradient` leave its arrays out. Running averages go on. */
  readonly frozen?: boolean | undefined
}

/**
 * The losses that kernels know. `cross-entropy` is computed from the softmax of the last layer's outputs `s`; `hinge` is
 * `Σ_(j ≠ y) max(0, s_j - s_y + 1)` (J. Weston, C. Watkins, 1999).
 */
export const lossNames = ['cross-entropy', 'hinge'] as const

/** The name of a loss. */
export type LossName = (typeof lossNames)[number]

/** The shape of a network: layers from the features to one output per class, and the loss. */
export interface NetworkShape {
  /** Width of a row. */
  readonly features: number
  /** From the features to the classes; the last layer has a unit per class. */
  readonly layers: readonly DenseLayer[]
  /** The loss that training minimises, together with the penalty. */
  readonly loss: LossName
  /**
   * Label smoothing of the cross-entropy in steps, from 0 to below 1: the target is `(1 - a) · onehot + a / classes`.
   * `evaluate` has the plain loss. Default: 0.
   */
  readonly smoothing?: number | undefined
  /** Whether rows of steps may have `weights`. Default: false. */
  readonly weighted?: boolean | undefined
}

/** What a step does to the mean gradient, with the penalty of squares, before its rule takes it; see `Network.clips`. */
export interface GradientChange {
  /** Weight of the penalty `Σ |W|`: `l1 · sign(w)` is added to the gradient by each weight. Default: 0. */
  readonly l1?: number | undefined
  /** The gradient of all trained arrays together is multiplied by `min(1, clip / (norm + 1e-6))`. Default: no limit. */
  readonly clip?: number | undefined
}

/** The update rules that kernels know. */
export const ruleNames = ['sgd', 'momentum', 'nesterov', 'adam'] as const

/** A step of gradient descent with weight decay: `W -= eta * (dW + 2 * lambda * W)`, `b -= eta * db`. */
export interface SgdStep extends GradientChange {
  /** The update rule that the kernel performs together with the gradient. */
  readonly rule: 'sgd'
  /** Learning rate. */
  readonly eta: number
  /** Weight of the penalty `Σ W²`. */
  readonly lambda: number
}

/** What an update rule keeps for each array of parameters, by its name: `velocity`, or `mean` and `square`. */
export type RuleState = Readonly<Record<string, readonly Numbers[]>>

/**
 * A step of an update rule that keeps numbers for each parameter; `learners/update-rules.ts` has the formulas. The kernel
 * changes weights and their state, and leaves all other arrays to `change`: they are small. A kernel on a device changes
 * all trained arrays itself.
 */
export interface StatefulStep extends GradientChange {
  /** The update rule. `adam` is AdamW too. */
  readonly rule: 'momentum' | 'nesterov' | 'adam'
  /** Of momentum: `[mu]`. Of Adam: `[beta1, beta2, epsilon, decay]`; AdamW has a decay. */
  readonly numbers: readonly number[]
  /** Learning rate. */
  readonly eta: number
  /** Weight of the penalty `Σ W²`, which is part of the gradient. */
  readonly lambda: number
  /** Number of steps since the run began, including this one. */
  readonly step: number
  /**
   * The state of each array, in the kernel's precision and in memory of `Kernels.allocate`. The kernel changes it. A
   * kernel on a device takes its values with the first step, writes them back in `read`, and takes them again afterwards.
   */
  readonly state: RuleState
  /** Changes an array that is not of weights by its mean gradient. */
  change(name: string, parameters: Numbers, gradient: Numbers): void
}

/** A step that a kernel makes in one call. */
export type NetworkStep = SgdStep | StatefulStep

/** Sums over rows. */
export interface Evaluation {
  /** Sum of the losses (natural logarithm). */
  readonly loss: number
  /** Number of rows whose label has the largest score (the first of equals). */
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
  /** The update rules that `step` performs. */
  readonly rules: readonly NetworkStep['rule'][]
  /** Whether `step` takes `l1` and `clip`. Default: false. */
  readonly clips?: boolean | undefined
  /**
   * The parameters. A kernel in this process gives the live arrays, which change with every step. A kernel on a device
   * writes those after the last step that was called before, and the state of its rule, to the same arrays each time. Write
   * through `load` or `change` only.
   */
  read(): Later<Arrays>
  /** Copies parameters in, from either precision. Throws a RangeError if their lengths do not fit. */
  load(parameters: Arrays): void
  /** Lets `write` change the parameters in place: for update rules that the kernel does not perform itself. */
  change(write: (parameters: Arrays) => void): Later<void>
  /**
   * Makes one step on the mean cost of the rows accumulated so far and these rows. Returns their mean loss before the
   * step. Throws a RangeError, and changes nothing, if there is no row at all or a label is wrong.
   *
   * A kernel on a device has taken its copy of the rows when it returns, and may promise the loss for later, see
   * `Kernels.stepsAhead`.
   */
  step(rows: Rows, update: NetworkStep): Later<number>
  /**
   * Adds these rows to the sums of the step in progress. Batches that are larger than `slice` allows are passed in
   * parts this way. Each part may carry its own affine map.
   */
  accumulate(rows: Rows): void
  /**
   * Returns the gradient of the mean cost over the accumulated rows, and clears the sums. Throws a RangeError if no row
   * was accumulated.
   *
   * @param into the arrays to write to, in the kernel's precision; default: new memory
   */
  gradient(lambda: number, into?: Arrays): Later<Gradient>
  /** Returns the loss and the number of correct rows, summed over the rows. */
  evaluate(rows: Rows): Later<Evaluation>
  /** Returns `Σ W²` over the weights of all layers, in float64. The cost has `lambda` times this. */
  penalty(): Later<number>
  /** Writes the outputs of the last layer for each row to the front of `out`, `[rows, classes]`. Ignores the labels. */
  scores(rows: Rows, out: Numbers): Later<void>
  /**
   * Has the promised losses of all steps so far read back; resolves when they are settled. A network whose steps return
   * their loss at once has no such method.
   */
  settle?(): Promise<void>
  /** Frees the memory. The network must not be used afterwards, but may be freed again. */
  free(): void
}

/** Exact integer statistics per feature of uint8 rows. */
export interface Moments {
  /** Sum of the values. */
  readonly sum: Float64Array
  /** Sum of the squares of the values. */
  readonly squares: Float64Array
  /** Smallest value. */
  readonly min: Uint8Array
  /** Largest value. */
  readonly max: Uint8Array
}

/** An opened kernel. */
export interface Kernels {
  /** The implementation. */
  readonly name: KernelName
  /** The instruction set or the precision, for `run.json`: `avx512`, `simd128`, `float64` … */
  readonly detail: string
  /** Number of threads, the calling one included. */
  readonly threads: number
  /** Precision of parameters, gradients and scores. */
  readonly precision: 'float32' | 'float64'
  /**
   * The most work that one call should do, in multiply-adds (see `rowsPerCall`). A call then takes about 10 ms, at most
   * 50 ms, even on a single thread. Callers cut larger work into slices and yield to the event loop between them.
   * It depends only on `name` and `detail`, so that sums keep their order.
   */
  readonly slice: number
  /**
   * How many steps a network may be ahead of the losses that it has read back. A device gathers losses, and reads them
   * when the oldest is so many steps old, when a result is asked for (`read`, `settle`, `evaluate` …), or after some
   * milliseconds without a call. Promises of losses settle in the order of the steps. Default: 0, `step` returns the loss.
   */
  readonly stepsAhead?: number | undefined
  /** Whether the device is emulated by the CPU: right, and slow. Default: false. */
  readonly isSoftware?: boolean | undefined
  /** Whether memory from `allocate` stays valid after `close`. */
  readonly memoryOutlivesClose: boolean
  /**
   * Allocates zeroed, 64-byte aligned shared memory that the kernel reads in place. Rows may lie in other memory too; a
   * kernel that cannot read it copies them. The memory is valid until `close`, or longer (`memoryOutlivesClose`).
   */
  allocate(bytes: number): Uint8Array
  /** Makes a network. Throws a RangeError if the kernel does not support the shape. */
  network(shape: NetworkShape): Network
  /** Computes the statistics of rows. Throws a RangeError unless the values are whole rows. */
  moments(values: Uint8Array, features: number): Moments
  /**
   * Frees memory and threads; some of them end a moment later. Views into the memory must not be used afterwards, and
   * networks throw.
   */
  close(): void
}

/** A device as its driver describes it. */
export interface Adapter {
  /** What it is: `NVIDIA H200`. */
  readonly name: string
  /** Who makes it. */
  readonly vendor: string
  /** Its family of chips. */
  readonly architecture: string
  /** Through what it is reached: `vulkan`, `metal`, `d3d12`. */
  readonly backend: string
  /** Whether the CPU emulates it. */
  readonly isSoftware: boolean
  /** The limits of WebGPU, by their names. */
  readonly limits: Readonly<Record<string, number>>
}

/** The options of `openKernels`. */
export interface KernelOptions {
  /** Default, and for `auto` where no run is made: the fastest of `hostKernelNames` that this machine has. */
  readonly kernel?: KernelChoice | undefined
  /** Number of threads. Default and maximum: one per core. The reference kernel always has one thread. */
  readonly threads?: number | undefined
  /** Allows more threads than cores. Tests use it to show that results do not depend on the number of threads. */
  readonly oversubscribe?: boolean | undefined
}
