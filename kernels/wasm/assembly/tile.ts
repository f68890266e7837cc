/**
 * Copies values of a row from `from` to working memory as float32: `inside` columns, and then zeros, `columns` in all, a
 * multiple of 16. `width` is 1 for uint8 and 4 for float32. Of each sixteen values, the first four lie at `to`, the next four `apart` bytes after
 * them, and so on; the next sixteen begin `next` bytes after `to`.
 */
export function readRow(
  to: usize,
  apart: usize,
  next: usize,
  from: usize,
  width: u32,
  inside: i32,
  columns: u32,
): void {
  const end = to + <usize>(columns >> 4) * next
  const whole = to + <usize>(inside >> 4) * next
  if (width == 1) {
    for (; to != whole; to += next) {
      const low = v128.load_ext<u8>(from)
      const high = v128.load_ext<u8>(from, 8)
      v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)))
      v128.store(to + apart, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)))
      v128.store(to + 2 * apart, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)))
      v128.store(to + 3 * apart, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)))
      from += 16
    }
  } else {
    for (; to != whole; to += next) {
      v128.store(to, v128.load(from))
      v128.store(to + apart, v128.load(from, 16))
      v128.store(to + 2 * apart, v128.load(from, 32))
      v128.store(to + 3 * apart, v128.load(from, 48))
      from += 64
    }
  }
  if (to == end) return
  clearRow(to, apart, next, (end - to) / next)
  for (let left = inside & 15; left > 0; left -= 4) {
    const some = min(left, 4)
    for (let l: usize = 0; l < <usize>some; l++) {
      store<f32>(to + l * 4, width == 1 ? <f32>load<u8>(from + l) : load<f32>(from + l * 4))
    }
    to += apart
    from += 4 * width
  }
}

/** Writes zeros in the same places for `groups` times sixteen columns. */
export function clearRow(to: usize, apart: usize, next: usize, groups: usize): void {
  const zero = f32x4.splat(0)
  for (; groups; groups--) {
    v128.store(to, zero)
    v128.store(to + apart, zero)
    v128.store(to + 2 * apart, zero)
    v128.store(to + 3 * apart, zero)
    to += next
  }
}

/** Stores the first `count` of four float32 values. */
// @ts-ignore: decorator
@inline
export function storeFirst(to: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(to, v)
    return
  }
  store<f32>(to, f32x4.extract_lane(v, 0))
  if (count > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4)
  if (count > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8)
}
