import { call } from './call'
import { promoteHigh } from './fold'

/** Returns the sum of the squares of all weights, in float64. */
export function penalty(): f64 {
  const end = call.W + ((<usize>call.features * call.classes) << 2)
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  let at = call.W
  for (; at + 32 <= end; at += 32) {
    even = f64x2.add(even, squaredPairs(v128.load(at)))
    odd = f64x2.add(odd, squaredPairs(v128.load(at, 16)))
  }
  const both = f64x2.add(even, odd)
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; at < end; at += 4) sum += <f64>load<f32>(at) * <f64>load<f32>(at)
  return sum
}

/** Returns `v0^2 + v2^2` and `v1^2 + v3^2` of four float32 values. */
// @ts-ignore: decorator
@inline
function squaredPairs(v: v128): v128 {
  const low = f64x2.promote_low_f32x4(v)
  const high = promoteHigh(v)
  return f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high))
}
