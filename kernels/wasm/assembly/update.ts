import { call } from './call'
import { storeFirst } from './tile'

/*
 * Update rules that keep state for each weight; learners/update-rules.ts has their formulas. Each function changes the
 * weights of one class in some columns: `w`, their gradient `g` with the penalty, and the state, float32 `[columns]` each.
 */

/** The value of `Call.rule` for Adam; 1 is momentum, 2 is Nesterov's. */
export const ADAM: u32 = 3

/** Momentum and Nesterov's momentum. */
export function changeByMomentum(w: usize, g: usize, velocity: usize, columns: u32): void {
  const mu = number(1)
  const eta = f32x4.splat(<f32>call.eta)
  const looksAhead = call.rule == 2
  for (let left = <i32>columns; left > 0; left -= 4) {
    const slope = v128.load(g)
    const v = f32x4.add(f32x4.mul(mu, v128.load(velocity)), slope)
    const step = looksAhead ? f32x4.add(slope, f32x4.mul(mu, v)) : v
    storeFirst(velocity, v, left)
    storeFirst(w, f32x4.sub(v128.load(w), f32x4.mul(eta, step)), left)
    w += 16
    g += 16
    velocity += 16
  }
}

/** Adam and AdamW. */
export function changeByAdam(w: usize, g: usize, mean: usize, square: usize, columns: u32): void {
  const one = number(1)
  const two = number(2)
  const rate = number(3)
  const root = number(4)
  const epsilon = number(5)
  const kept = number(6)
  for (let left = <i32>columns; left > 0; left -= 4) {
    const slope = v128.load(g)
    let m = v128.load(mean)
    m = f32x4.add(m, f32x4.mul(one, f32x4.sub(slope, m)))
    storeFirst(mean, m, left)
    let v = v128.load(square)
    v = f32x4.add(v, f32x4.mul(two, f32x4.sub(f32x4.mul(slope, slope), v)))
    storeFirst(square, v, left)
    const size = f32x4.add(f32x4.mul(f32x4.sqrt(v), root), epsilon)
    storeFirst(w, f32x4.sub(f32x4.mul(kept, v128.load(w)), f32x4.div(f32x4.mul(rate, m), size)), left)
    w += 16
    g += 16
    mean += 16
    square += 16
  }
}

/** Number `i` of the rule, in every lane. */
function number(i: usize): v128 {
  return f32x4.splat(<f32>load<f64>(call.numbers + i * 8))
}
