import { call, GROUP } from './call'

/** Folds the classes of pair `item`. Both lie on the same cache lines, so one thread does both. */
export function fold(item: u32): void {
  const end = min(item * GROUP + GROUP, call.classes)
  for (let k = item * GROUP; k < end; k++) foldClass(k)
}

/**
 * Folds the standardisation `z = (x - mean) * scale` into the weights and the bias of class `k`. The forward pass can
 * then read rows without standardising them: `W z + b = W' x + b'` with `W' = W * scale` and `b' = b - sum(W' * mean)`.
 *
 * The sum is taken in float64 over the rounded `W'`. Its rounding errors and those of `W' x` then cancel for `x` near
 * the mean.
 */
function foldClass(k: u32): void {
  const features = call.features
  const from = call.W + <usize>k * features * 4
  const to = call.folded + (<usize>(k & ~1) * call.stride + (k & 1) * 4) * 4
  let offset: f64 = 0
  if (call.scale) offset = foldScale(from, to, features)
  else place(from, to, features)
  store<f64>(call.bias + <usize>k * 8, <f64>load<f32>(call.b + <usize>k * 4) - offset)
}

/** Writes the weights of one class to `to`, each four of them 32 bytes after the last four. */
function place(from: usize, to: usize, features: u32): void {
  let left = <i32>features
  for (; left >= 4; left -= 4) {
    v128.store(to, v128.load(from))
    from += 16
    to += 32
  }
  for (; left > 0; left--) {
    store<f32>(to, load<f32>(from))
    from += 4
    to += 4
  }
}

/** Writes `W'` of one class to `to` like `place`, and returns `sum(W' * mean)`. */
function foldScale(from: usize, to: usize, features: u32): f64 {
  const mean = call.mean
  const scale = call.scale
  const whole = features & ~3
  let low = f64x2.splat(0)
  let high = f64x2.splat(0)
  let j: u32 = 0
  for (; j < whole; j += 4) {
    const at = (<usize>j) << 2
    const at8 = (<usize>j) << 3
    const w = f32x4.mul(v128.load(from + at), narrow(v128.load(scale + at8), v128.load(scale + at8, 16)))
    v128.store(to + (at << 1), w)
    low = f64x2.add(low, f64x2.mul(f64x2.promote_low_f32x4(w), v128.load(mean + at8)))
    high = f64x2.add(high, f64x2.mul(promoteHigh(w), v128.load(mean + at8, 16)))
  }
  const both = f64x2.add(low, high)
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; j < features; j++) {
    const at = (<usize>j) << 2
    const w = load<f32>(from + at) * <f32>load<f64>(scale + (at << 1))
    store<f32>(to + (((<usize>j & ~3) << 3) | (at & 15)), w)
    sum += <f64>w * load<f64>(mean + (at << 1))
  }
  return sum
}

/** Converts two pairs of float64 values to four float32 values. */
// @ts-ignore: decorator
@inline
export function narrow(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5)
}

/** Converts the last two of four float32 values to float64. */
// @ts-ignore: decorator
@inline
export function promoteHigh(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3))
}
