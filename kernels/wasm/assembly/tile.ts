import { call } from './call'

/**
 * Copies a tile of the row values to `to` as float32 `[rows, pitch]`: `rows` rows from `row`, `columns` columns from
 * `column`. `columns` is a multiple of 8. Columns beyond `features` are filled with zeros.
 */
export function readTile(to: usize, pitch: u32, row: u32, rows: u32, column: u32, columns: u32): void {
  const features = call.features
  const width = call.width
  const inside = min(columns, features - column)
  let from = call.values + (<usize>row * features + column) * width
  for (let i: u32 = 0; i < rows; i++) {
    if (width == 1) readBytes(to, from, inside)
    else memory.copy(to, from, <usize>inside * 4)
    if (inside < columns) memory.fill(to + <usize>inside * 4, 0, <usize>(columns - inside) * 4)
    to += <usize>pitch * 4
    from += <usize>features * width
  }
}

/** Converts `count` uint8 values to float32. */
function readBytes(to: usize, from: usize, count: u32): void {
  const end = from + (count & ~15)
  for (; from < end; from += 16) {
    const low = v128.load_ext<u8>(from)
    const high = v128.load_ext<u8>(from, 8)
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)))
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), 16)
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), 32)
    v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), 48)
    to += 64
  }
  const last = from + (count & 15)
  for (; from < last; from++) {
    store<f32>(to, <f32>load<u8>(from))
    to += 4
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
