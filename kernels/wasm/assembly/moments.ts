import { call, TILE_COLUMNS } from './call'

/**
 * Adds the rows at hand, uint8, to the statistics of the columns of tile `item`, at `out`: sum and sum of squares,
 * float64 `[2, stride]`, then least and largest value, uint8 `[2, stride]`.
 *
 * Exact: float64 holds integers up to 2^53.
 */
export function moments(item: u32): void {
  const features = call.features
  const first = item * TILE_COLUMNS
  const end = min(first + TILE_COLUMNS, features)
  let j = first
  for (; j + 16 <= end; j += 16) moments16(j)
  for (; j < end; j++) moments1(j)
}

/** Sums in uint32, which 65,536 squares of 255 fit; callers pass fewer rows. */
function moments16(j: u32): void {
  const features = <usize>call.features
  const stride = <usize>call.stride
  let least = v128.load(call.out + stride * 16 + j)
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
    least = i8x16.min_u(least, x)
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
  v128.store(call.out + stride * 16 + j, least)
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

function moments1(j: u32): void {
  const features = <usize>call.features
  const stride = <usize>call.stride
  let least = call.out + stride * 16 + j
  let largest = call.out + stride * 17 + j
  let sum: u64 = 0
  let squares: u64 = 0
  let from = call.values + j
  for (let i: u32 = 0; i < call.rows; i++) {
    const x = load<u8>(from)
    if (x < load<u8>(least)) store<u8>(least, x)
    if (x > load<u8>(largest)) store<u8>(largest, x)
    sum += x
    squares += <u32>x * x
    from += features
  }
  const at = call.out + <usize>j * 8
  store<f64>(at, load<f64>(at) + <f64>sum)
  store<f64>(at + stride * 8, load<f64>(at + stride * 8) + <f64>squares)
}

/** Adds four uint32 to four float64 in memory. */
// @ts-ignore: decorator
@inline
function addTo(at: usize, v: v128): void {
  v128.store(at, f64x2.add(v128.load(at), f64x2.convert_low_i32x4_u(v)))
  v128.store(at, f64x2.add(v128.load(at, 16), f64x2.convert_low_i32x4_u(v128.shuffle<u32>(v, v, 2, 3, 2, 3))), 16)
}
