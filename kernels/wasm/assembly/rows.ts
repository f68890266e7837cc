import { call, gradientAt } from './call'
import { exp4 } from './exp'
import { narrow, promoteHigh } from './fold'

/**
 * Returns the loss of one row, `log(sum(exp(s))) - s[label]`, for its logits `s`, float64 `[lanes]`. The largest logit
 * is subtracted first, so that nothing overflows. Overwrites the logits: the first one with the class of the largest
 * logit (the first of equals) as a uint32.
 */
export function scoreRow(s: usize, label: u32): f64 {
  const best = argMax(s)
  const largest = load<f64>(s + <usize>best * 8)
  const own = load<f64>(s + <usize>label * 8)
  const loss = largest - own + Math.log(exponentials(s, largest))
  store<u32>(s, best)
  return loss
}

/**
 * Returns the loss of one row as `scoreRow` does, and writes its gradient with respect to the logits,
 * `softmax(s) - onehot(label)`, to `call.g` for row `i` of the pass. Overwrites the logits.
 */
export function differentiateRow(s: usize, label: u32, i: usize): f64 {
  const largest = load<f64>(s + <usize>argMax(s) * 8)
  const own = load<f64>(s + <usize>label * 8)
  const sum = exponentials(s, largest)
  const factor = <f32>(1 / sum)
  const classes = <usize>call.classes
  for (let k: usize = 0; k < classes; k++) store<f32>(gradientAt(k) + i * 8, load<f32>(s + k * 4) * factor)
  // `p - 1` in float32 would lose all digits as `p` approaches 1.
  store<f32>(gradientAt(label) + i * 8, <f32>((<f64>load<f32>(s + <usize>label * 4) - sum) / sum))
  return largest - own + Math.log(sum)
}

/** Replaces the logits with `exp(s - largest)`, float32 `[lanes]`, zero in the padding. Returns their sum. */
function exponentials(s: usize, largest: f64): f64 {
  const lanes = call.lanes
  for (let k = call.classes; k < lanes; k++) store<f64>(s + <usize>k * 8, -Infinity)
  const top = f64x2.splat(largest)
  let sum = f64x2.splat(0)
  for (let k: u32 = 0; k < lanes; k += 4) {
    const at = s + <usize>k * 8
    const e = exp4(narrow(f64x2.sub(v128.load(at), top), f64x2.sub(v128.load(at, 16), top)))
    v128.store(s + <usize>k * 4, e)
    sum = f64x2.add(sum, f64x2.add(f64x2.promote_low_f32x4(e), promoteHigh(e)))
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/** Returns the class of the largest logit, the first of equals. */
function argMax(s: usize): u32 {
  const classes = call.classes
  let best: u32 = 0
  let largest = load<f64>(s)
  for (let k: u32 = 1; k < classes; k++) {
    const value = load<f64>(s + <usize>k * 8)
    if (value > largest) {
      largest = value
      best = k
    }
  }
  return best
}
