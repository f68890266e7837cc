import { call, gradientAt, ROW_BLOCK } from './call'

/*
 * Behind a ReLU, half of the slopes of a unit are 0, or more. Their products with finite values are 0, and to add them
 * changes no sum. So `outer1x32` in backward.ts adds the others alone, which it finds in the lists of this file.
 *
 * The list of a class in a block of rows lies at `nonzeroAt`: for each slope that is not 0 the place of its row in the
 * tile (uint32, bytes) and the slope (float32), then `END`. If there are too many for that to pay, it begins with `END`,
 * and the whole matrix is used; also if there is none, for then it does not matter.
 */

/** Follows the last entry of a list. */
export const END: u32 = 0xffffffff

/** Bytes of a row of the tile: 32 columns. */
export const ROW_BYTES: usize = 128

/** Returns the address of the list of class `k` for the block of rows that begins with row `i`. */
// @ts-ignore: decorator
@inline
export function nonzeroAt(k: usize, i: usize): usize {
  return call.nonzero + (k * call.pitch + i) * 8
}

/** Writes the lists of all classes and rows of this pass from `g`. */
export function listSlopes(): void {
  for (let i: usize = 0; i < <usize>call.rows; i += ROW_BLOCK) {
    const rows = min(<usize>ROW_BLOCK, <usize>call.rows - i)
    for (let k: usize = 0; k < <usize>call.classes; k += 2) listPair(k, i, rows)
  }
}

/** Writes the lists of the classes `k` and `k + 1`, which share the loop of the whole matrix: both are used, or none. */
function listPair(k: usize, i: usize, rows: usize): void {
  let g = gradientAt(k) + i * 8
  const a = nonzeroAt(k, i)
  const b = nonzeroAt(k + 1, i)
  let toA = a
  let toB = b
  const end = rows * ROW_BYTES
  for (let at: usize = 0; at < end; at += ROW_BYTES) {
    const both = load<u64>(g)
    // Each entry is written, and written over if the slope was 0: the processor cannot predict a branch here.
    store<u64>(toA, (both << 32) | at)
    store<u64>(toB, (both & 0xffffffff00000000) | at)
    toA += <usize>((<u32>both & 0x7fffffff) != 0) << 3
    toB += <usize>((<u32>(both >> 32) & 0x7fffffff) != 0) << 3
    g += 8
  }
  const isSparse = max(toA - a, toB - b) < rows * 8 && toA - a + (toB - b) <= rows * 12
  store<u32>(isSparse ? toA : a, END)
  store<u32>(isSparse ? toB : b, END)
}
