import { call, TILE_COLUMNS } from './call'

/**
 * Adds the uint8 rows of this pass to the statistics at `out`, in the columns of tile `item`: the sums and the sums of
 * squares, float64 `[2, stride]`, then the smallest and the largest values, uint8 `[2, stride]`.
 *
 * The sums are exact: float64 holds all integers up to 2^53.
 */
export function moments(item: u32): void {
  const features = call.features
  const first = item * TILE_COLUMNS
  const end = min(first + TILE_COLUMNS, features)
  let j = first
  for (; j + 16 <= end; j += 16) moments16(j)
  for (; j < end; j++) moments1(j)
}

/** Sixteen columns from `j`. The sums are uint32, so there may be 65,536 rows at most: 65536 * 255^2 < 2^32. */
function moments16(j: u32): void {
  const features = <usize>call.features
  const stride = <usize>call.stride
  let smallest = v128.load(call.out + stride * 16 + j)
  let largest = v128.load(call.out + stride * 17 + j)
  let s0 = i32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let q0 = s0
  let q1 = s0
  let q2 = s0
  let q3 = s0
  let from = call.values + j
  for (let i: u32 = 0; i < call.rows; i++) {
    const x = v128.load(from)
    smallest = i8x16.min_u(smallest, x)
    largest = i8x16.max_u(largest, x)
    const low = i16x8.extend_low_i8x16_u(x)
    const high = i16x8.extend_high_i8x16_u(x)
    s0 = i32x4.add(s0, i32x4.extend_low_i16x8_u(low))
    s1 = i32x4.add(s1, i32x4.extend_high_i16x8_u(low))
    s2 = i32x4.add(s2, i32x4.extend_low_i16x8_u(high))
    s3 = i32x4.add(s3, i32x4.extend_high_i16x8_u(high))
    q0 = i32x4.add(q0, i32x4.extmul_low_i16x8_u(low, low))
    q1 = i32x4.add(q1, i32x4.extmul_high_i16x8_u(low, low))
    q2 = i32x4.add(q2, i32x4.extmul_low_i16x8_u(high, high))
    q3 = i32x4.add(q3, i32x4.extmul_high_i16x8_u(high, high))
    from += features
  }
  v128.store(call.out + stride * 16 + j, smallest)
  v128.store(call.out + stride * 17 + j, largest)
  const sum = call.out + <usize>j * 8
  addTo(sum, s0)
  addTo(sum + 32, s1)
  addTo(sum + 64, s2)
  addTo(sum + 96, s3)
  const squares = sum + stride * 8
  addTo(squares, q0)
  addTo(squares + 32, q1)
  addTo(squares + 64, q2)
  addTo(squares + 96, q3)
}

/** Column `j`. */
function moments1(j: u32): void {
  const features = <usize>call.features
  const stride = <usize>call.stride
  const smallest = call.out + stride * 16 + j
  const largest = call.out + stride * 17 + j
  let sum: u64 = 0
  let squares: u64 = 0
  let from = call.values + j
  for (let i: u32 = 0; i < call.rows; i++) {
    const x = load<u8>(from)
    if (x < load<u8>(smallest)) store<u8>(smallest, x)
    if (x > load<u8>(largest)) store<u8>(largest, x)
    sum += x
    squares += <u32>x * x
    from += features
  }
  const at = call.out + <usize>j * 8
  store<f64>(at, load<f64>(at) + <f64>sum)
  store<f64>(at + stride * 8, load<f64>(at + stride * 8) + <f64>squares)
}

/** Adds four uint32 values to four float64 values in memory. */
// @ts-ignore: decorator
@inline
function addTo(at: usize, v: v128): void {
  v128.store(at, f64x2.add(v128.load(at), f64x2.convert_low_i32x4_u(v)))
  v128.store(at, f64x2.add(v128.load(at, 16), f64x2.convert_low_i32x4_u(v128.shuffle<u32>(v, v, 2, 3, 2, 3))), 16)
}
