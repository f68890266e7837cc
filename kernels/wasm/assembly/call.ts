import { CALL } from './memory-map'

/** Classes in one register tile of the forward and the backward pass. */
export const GROUP: u32 = 2

/** Rows in one item of the forward pass. Losses are summed per item, so this number is part of the order of sums. */
export const TILE_ROWS: u32 = 8

/** Columns in one item of the backward pass: a cache line of uint8 values. */
export const TILE_COLUMNS: u32 = 64

/** Rows that the backward pass sums in float32 before it adds the sum in float64. */
export const ROW_BLOCK: u32 = 128

/**
 * The input and output of the phases. The calling thread writes these fields between phases, and all threads read them.
 *
 * Padded sizes: `stride` is `features` rounded up to 16, and `lanes` is `classes` rounded up to 4. The padding is zero,
 * or is ignored. All pointers are addresses in bytes.
 */
@unmanaged
export class Call {
  phase: u32
  features: u32
  classes: u32
  stride: u32
  lanes: u32
  /** The weights, float32 `[classes, features]`. */
  W: usize
  /** The biases, float32 `[classes]`. */
  b: usize
  /** The weights that the forward pass reads, see `fold.ts`: float32 `[classes / GROUP, stride / 4, GROUP, 4]`. */
  folded: usize
  /** The biases that the forward pass reads, float64 `[lanes]`. */
  bias: usize
  /** Standardisation of the rows, float64 `[features]` each. `scale` is 0 if the rows need none. */
  mean: usize
  scale: usize
  /** Number of rows of this pass. */
  rows: u32
  /** Row values, uint8 or float32 `[rows, features]`. */
  values: usize
  /** Bytes per value: 1 for uint8, 4 for float32. */
  width: u32
  /** Class of each row, int32 `[rows]`. */
  labels: usize
  /** Gradient of each row's loss with respect to its logits: float32 `[lanes / GROUP, pitch, GROUP]`, see `gradientAt`. */
  g: usize
  /** The slopes that are not 0, see `nonzero.ts`; 0 if the whole matrix `g` is used. */
  nonzero: usize
  /** Number of rows that `g` has room for. */
  pitch: u32
  /** Sum of `g` over all rows of the step so far, float64 `[lanes]`. */
  gSum: usize
  /** Sum of `g` over the rows of this pass, float64 `[lanes]`. */
  gPass: usize
  /** Loss and number of correct rows of each item of the forward pass, float64 `[items, 2]`. */
  scores: usize
  /**
   * Result. `logits`: float64 `[rows, classes]`. `outputs`: the same in float32. `gradient`, `product`: float32
   * `[classes, features]`. `moments`: see there.
   */
  out: usize
  /** `outputs`: not 0 if negative outputs become 0. `product`: float32 like `out`; where it is 0, so is the result. Or 0. */
  relu: usize
  /** Derivative of the loss by each output, float32 `[rows, classes]`, for `takeSlopes` and `pairSlopes`. */
  slopes: usize
  /** The update rule: 0 is sgd, the others are in `update.ts`. */
  rule: u32
  /** Its numbers, float64; see `ruleNumbers` in dense-layer.ts. */
  numbers: usize
  /** Its state for the weights, float32 `[classes, features]`: the velocity, or the mean and the square. */
  first: usize
  second: usize
  /** Sum of `G^T Z` over the rows accumulated so far, float64 `[classes, stride]`. */
  sums: usize
  /** 1 if `sums` is part of the gradient, 0 if this pass is the first of the step. */
  carried: u32
  /** Working memory: `scratchBytes` for each thread. */
  scratch: usize
  scratchBytes: u32
  /** One over the number of rows of the step. */
  factor: f64
  /** Step size. */
  eta: f64
  /** Weight of the penalty. */
  lambda: f64
}

// @ts-ignore: decorator
@lazy
export const call = changetype<Call>(CALL)

/** Returns the address of `g` for class `k` and the first row. The next row is `GROUP` values further. */
// @ts-ignore: decorator
@inline
export function gradientAt(k: usize): usize {
  return call.g + ((k & ~1) * call.pitch + (k & 1)) * 4
}
