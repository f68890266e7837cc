/**
 * Where things lie in the module's memory: the JavaScript side of `assembly/call.ts` and `assembly/parallel.ts`.
 */

/** Bytes at the start of memory that belong to the module: control words and constants. */
export const RESERVED = 65536

const CALL = 64

/** Index of each uint32 field of the call in progress, in `words`. */
export const word = {
  features: CALL / 4 + 1,
  classes: CALL / 4 + 2,
  stride: CALL / 4 + 3,
  lanes: CALL / 4 + 4,
  W: CALL / 4 + 5,
  b: CALL / 4 + 6,
  folded: CALL / 4 + 7,
  bias: CALL / 4 + 8,
  mean: CALL / 4 + 9,
  scale: CALL / 4 + 10,
  rows: CALL / 4 + 11,
  values: CALL / 4 + 12,
  width: CALL / 4 + 13,
  labels: CALL / 4 + 14,
  g: CALL / 4 + 15,
  pitch: CALL / 4 + 16,
  gSum: CALL / 4 + 17,
  gPass: CALL / 4 + 18,
  scores: CALL / 4 + 19,
  out: CALL / 4 + 20,
  sums: CALL / 4 + 21,
  carried: CALL / 4 + 22,
  scratch: CALL / 4 + 23,
  scratchBytes: CALL / 4 + 24,
} as const

/** Index in `words` of what threads tell each other, see `assembly/parallel.ts`; each on a cache line of its own. */
export const control = {
  unfinished: 320 / 4,
  /** 1: the calling thread sleeps until nothing is unfinished. */
  callerSleeps: 384 / 4,
  /** Counts the calls to wake up. */
  signal: 448 / 4,
  /** Workers asleep. */
  sleepers: 512 / 4,
  /** 1: workers shall end. */
  closing: 576 / 4,
  /** 1: a worker has failed. */
  failed: 640 / 4,
} as const

/** Index of each float64 field of the call in progress, in `doubles`. */
export const double = {
  factor: CALL / 8 + 13,
  eta: CALL / 8 + 14,
  lambda: CALL / 8 + 15,
} as const

/** Where a failing worker leaves its error message: its length, then UTF-8, up to where the constants begin. */
export const FAILURE_TEXT = 704
export const FAILURE_TEXT_BYTES = 316

/** The phases of `assembly/phases.ts`, by number. */
export const phase = {
  fold: 0,
  logits: 1,
  evaluate: 2,
  train: 3,
  accumulate: 4,
  descend: 5,
  slope: 6,
  moments: 7,
} as const

/** Constants of `assembly/call.ts`. */
export const GROUP = 2
export const TILE_ROWS = 8
export const TILE_COLUMNS = 64

/** `n` rounded up to a multiple of `unit`. */
export const roundUp = (n: number, unit: number): number => Math.ceil(n / unit) * unit
