import { accumulate, BACKWARD_SCRATCH, gradient, product, update } from './backward'
import { call, TILE_COLUMNS, TILE_ROWS } from './call'
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

/** Copies `slopes` of this pass to `g`, which is transposed. */
export function takeSlopes(): void {
  const classes = call.classes
  const pitch = <usize>call.pitch * 4
  for (let i: usize = 0; i < <usize>call.rows; i++) {
    const from = call.slopes + i * classes * 4
    const to = call.g + i * 4
    for (let k: usize = 0; k < <usize>classes; k++) store<f32>(to + k * pitch, load<f32>(from + k * 4))
  }
}

/** Sums `g` over the rows of this pass into `gPass`, and adds that to `gSum`. */
export function sumGradients(): void {
  const end = <usize>call.rows * 4
  for (let k: u32 = 0; k < call.classes; k++) {
    const g = call.g + <usize>k * call.pitch * 4
    let sum: f64 = 0
    for (let i: usize = 0; i < end; i += 4) sum += <f64>load<f32>(g + i)
    store<f64>(call.gPass + <usize>k * 8, sum)
    store<f64>(call.gSum + <usize>k * 8, load<f64>(call.gSum + <usize>k * 8) + sum)
  }
}

/** Updates the biases: `b -= eta * db`, where `db` is the mean of `g`. */
export function updateBias(): void {
  for (let k: u32 = 0; k < call.classes; k++) {
    const b = call.b + <usize>k * 4
    store<f32>(b, <f32>(<f64>load<f32>(b) - call.eta * load<f64>(call.gSum + <usize>k * 8) * call.factor))
  }
}
