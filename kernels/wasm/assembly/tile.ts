import { call } from './call'

/**
 * Reads a tile of the rows at hand as float32: `rows` rows from `row`, `columns` columns from `column`, into `to`,
 * `[rows, pitch]`. Columns from `features` on read as zero up to `columns`, a multiple of 8.
 */
export function readTile(to: usize, pitch: u32, row: u32, rows: u32, column: u32, columns: u32): void {
  const features = call.features
  const width = call.width
  const real = min(columns, features - column)
  let from = call.values + (<usize>row * features + column) * width
  for (let i: u32 = 0; i < rows; i++) {
    if (width == 1) readBytes(to, from, real)
    else memory.copy(to, from, <usize>real * 4)
    if (real < columns) memory.fill(to + <usize>real * 4, 0, <usize>(columns - real) * 4)
    to += <usize>pitch * 4
    from += <usize>features * width
  }
}

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
