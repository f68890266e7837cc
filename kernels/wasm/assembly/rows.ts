import { call } from './call'
import { exp4 } from './exp'
import { narrow, promoteHigh } from './fold'

/**
 * Loss of one row, `log(sum(exp(s))) - s[label]`, from its logits `s`, float64 `[lanes]`. The largest logit is taken
 * out first, so that nothing overflows; its class (the first of equals) replaces the first logit, as a uint32.
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
 * Loss of one row, as above, and its gradient by the logits, `softmax(s) - onehot(label)`, to `g`: float32, one every
 * `pitch`. Uses the logits up.
 */
export function descendRow(s: usize, label: u32, g: usize): f64 {
  const largest = load<f64>(s + <usize>argMax(s) * 8)
  const own = load<f64>(s + <usize>label * 8)
  const sum = exponentials(s, largest)
  const factor = <f32>(1 / sum)
  const pitch = <usize>call.pitch * 4
  const classes = <usize>call.classes
  for (let k: usize = 0; k < classes; k++) store<f32>(g + k * pitch, load<f32>(s + k * 4) * factor)
  // Not `p - 1`, which in float32 loses all digits once the row is learnt.
  store<f32>(g + <usize>label * pitch, <f32>((<f64>load<f32>(s + <usize>label * 4) - sum) / sum))
  return largest - own + Math.log(sum)
}

/** Replaces logits by `exp(s - largest)`, float32 `[lanes]`, zero in the padding, and returns the sum. */
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
