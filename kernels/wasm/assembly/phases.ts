import { accumulate, BACKWARD_SCRATCH, gradient, product, update } from './backward'
import { call, gradientAt, TILE_COLUMNS, TILE_ROWS } from './call'
import { fold } from './fold'
import { evaluate, FORWARD_SCRATCH, logits, outputs, train } from './forward'
import { moments } from './moments'

/** The parts of the work that all threads share. The items of a phase do not depend on each other. */
export enum Phase {
  fold,
  logits,
  outputs,
  evaluate,
  train,
  accumulate,
  update,
  gradient,
  product,
  moments,
}

/** Does one item of a phase, on thread `thread`. */
export function perform(phase: u32, item: u32, thread: u32): void {
  const scratch = call.scratch + <usize>thread * call.scratchBytes
  switch (phase) {
    case Phase.fold:
      return fold(item)
    case Phase.logits:
      return logits(item, scratch)
    case Phase.outputs:
      return outputs(item, scratch)
    case Phase.evaluate:
      return evaluate(item, scratch)
    case Phase.train:
      return train(item, scratch)
    case Phase.accumulate:
      return accumulate(item, scratch)
    case Phase.update:
      return update(item, scratch)
    case Phase.gradient:
      return gradient(item)
    case Phase.product:
      return product(item, scratch)
    case Phase.moments:
      return moments(item)
    default:
      unreachable()
  }
}

/** Returns the bytes of working memory that one thread needs for `lanes` padded classes. */
export function scratchBytes(lanes: u32): u32 {
  return max(FORWARD_SCRATCH + TILE_ROWS * lanes * 8, BACKWARD_SCRATCH + lanes * TILE_COLUMNS * 8)
}

/** Adds the scores of the first `items` items in order, and replaces the first score with the two sums. */
export function sumScores(items: u32): void {
  let loss: f64 = 0
  let correct: f64 = 0
  for (let item: u32 = 0; item < items; item++) {
    const score = call.scores + <usize>item * 16
    loss += load<f64>(score)
    correct += load<f64>(score, 8)
  }
  store<f64>(call.scores, loss)
  store<f64>(call.scores, correct, 8)
}

/** Copies `slopes` of this pass to `g`. Each time, it takes as many classes of all rows as lie on one cache line. */
export function takeSlopes(): void {
  const classes = <usize>call.classes
  for (let first: usize = 0; first < classes; first += 16) {
    const end = min(first + 16, classes)
    for (let i: usize = 0; i < <usize>call.rows; i++) {
      const from = call.slopes + i * classes * 4
      let k = first
      for (; k + 2 <= end; k += 2) store<u64>(gradientAt(k) + i * 8, load<u64>(from + k * 4))
      if (k < end) store<f32>(gradientAt(k) + i * 8, load<f32>(from + k * 4))
    }
  }
}

/** Copies `slopes`, float32 `[classes, rows]` for `product`, to `g`. */
export function pairSlopes(): void {
  const rows = <usize>call.rows
  for (let k: usize = 0; k < <usize>call.classes; k++) {
    const from = call.slopes + k * rows * 4
    const to = gradientAt(k)
    for (let i: usize = 0; i < rows; i++) store<f32>(to + i * 8, load<f32>(from + i * 4))
  }
}

/** Sums `g` over the rows of this pass into `gPass`, and adds that to `gSum`. */
export function sumGradients(): void {
  for (let k: u32 = 0; k < call.classes; k += 2) {
    let g = gradientAt(k)
    let sum = f64x2.splat(0)
    for (let i = call.rows; i; i--) {
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(g)))
      g += 8
    }
    // Both arrays have room for `lanes` values.
    const at = <usize>k * 8
    v128.store(call.gPass + at, sum)
    v128.store(call.gSum + at, f64x2.add(v128.load(call.gSum + at), sum))
  }
}

/** Updates the biases: `b -= eta * db`, where `db` is the mean of `g`. */
export function updateBias(): void {
  for (let k: u32 = 0; k < call.classes; k++) {
    const b = call.b + <usize>k * 4
    store<f32>(b, <f32>(<f64>load<f32>(b) - call.eta * load<f64>(call.gSum + <usize>k * 8) * call.factor))
  }
}
