/**
 * Returns `e^x` for four `x <= 0`, with an error of about 1 ulp. Returns 0 below -87, where float32 becomes subnormal.
 * NaN stays NaN.
 *
 * `e^x = 2^n e^r` with `n = round(x / ln 2)` and a polynomial for `e^r`: S. Moshier's `expf`, Cephes Math Library 2.2.
 * `ln 2` is split into two parts so that `r = x - n ln 2` is exact.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const inRange = f32x4.ge(x, f32x4.splat(-87))
  const n = f32x4.nearest(f32x4.mul(f32x4.max(x, f32x4.splat(-87)), f32x4.splat(1.44269504088896341)))
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)))
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)))
  let p = f32x4.splat(1.9875691500e-4)
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1))
  p = f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), f32x4.add(r, f32x4.splat(1)))
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23)
  // `and(…, inRange)` would turn NaN into 0, because the comparison is false for NaN.
  return v128.andnot(f32x4.mul(p, power), v128.andnot(f32x4.eq(x, x), inRange))
}
