/** Classes that one register tile of `forward` and `backward` covers. */
export const GROUP: u32 = 2

/** Rows of one item of the forward pass. Losses are summed by item, so this is part of the order of sums. */
export const TILE_ROWS: u32 = 8

/** Columns of one item of the backward pass: a cache line of uint8 values. */
export const TILE_COLUMNS: u32 = 64

/** Bytes at the start of memory where `call` lies; the words of `parallel.ts` follow. */
const CALL: usize = 64

/**
 * What the call in progress works on. The calling thread writes it between phases, all threads read it.
 * `layout.ts` on the JavaScript side lists the same fields in the same order, 4 bytes each and then 8 bytes each.
 *
 * Padded sizes: `stride` is `features` rounded up to 16, `lanes` is `classes` rounded up to 4. What lies in the padding is zero, or ignored.
 */
@unmanaged
export class Call {
  phase: u32
  features: u32
  classes: u32
  stride: u32
  lanes: u32
  /** float32 `[classes, features]` */
  W: usize
  /** float32 `[classes]` */
  b: usize
  /** The weights as `forward` reads them, float32 `[classes rounded up to GROUP, stride]`. */
  folded: usize
  /** The biases that go with them, float64 `[lanes]`. */
  bias: usize
  /** float64 `[features]` each; 0 where rows need no standardisation. */
  mean: usize
  scale: usize
  rows: u32
  /** uint8 or float32 `[rows, features]` */
  values: usize
  /** 1 for uint8, 4 for float32. */
  width: u32
  /** int32 `[rows]` */
  labels: usize
  /** Gradient of each row's loss by its logits, transposed: float32 `[lanes, pitch]`, with room for `pitch` rows. */
  g: usize
  pitch: u32
  /** Its sum over all rows of the step so far, and over the rows at hand: float64 `[lanes]` each. */
  gSum: usize
  gPass: usize
  /** Loss and hits of each item of the forward pass, float64 `[items, 2]`. */
  scores: usize
  /** `logits`: float64 `[rows, classes]`. `slope`: float32 `[classes, features]`. `moments`: see there. */
  out: usize
  /** Sums `G^T Z` of the rows accumulated so far, float64 `[classes, stride]`. */
  sums: usize
  /** 1 when `sums` counts. */
  carried: u32
  /** Working memory of the threads, `scratchBytes` each. */
  scratch: usize
  scratchBytes: u32
  /** One over the rows of the step. */
  factor: f64
  eta: f64
  lambda: f64
}

// @ts-ignore: decorator
@lazy
export const call = changetype<Call>(CALL)
