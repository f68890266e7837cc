import { call, GROUP, TILE_ROWS } from './call'
import { differentiateRow, scoreRow } from './rows'
import { narrow } from './fold'
import { clearRow, readRow, storeFirst } from './tile'

/**
 * Columns in one block. A block of a class group and a block of a row tile fit into the first-level cache together. No
 * float32 sum has more than `BLOCK / 4` terms, because blocks are added in float64.
 */
const BLOCK: u32 = 512

/** Bytes of working memory for one block of a row tile. */
export const FORWARD_SCRATCH: u32 = TILE_ROWS * BLOCK * 4

/** Writes the logits `W z + b` of the rows of tile `item` to `out`. */
export function logits(item: u32, scratch: usize): void {
  const s = forward(item, scratch)
  const classes = call.classes
  const first = item * TILE_ROWS
  const rows = min(TILE_ROWS, call.rows - first)
  for (let i: u32 = 0; i < rows; i++) {
    const row = s + <usize>(i * call.lanes) * 8
    const to = call.out + <usize>(first + i) * classes * 8
    for (let k: usize = 0; k < <usize>classes; k++) store<f64>(to + k * 8, load<f64>(row + k * 8))
  }
}

/** The same in float32, and with `relu` 0 instead of negative outputs. */
export function outputs(item: u32, scratch: usize): void {
  const s = forward(item, scratch)
  const classes = call.classes
  const first = item * TILE_ROWS
  const rows = min(TILE_ROWS, call.rows - first)
  const least = f32x4.splat(call.relu ? 0 : -Infinity)
  for (let i: u32 = 0; i < rows; i++) {
    let row = s + <usize>(i * call.lanes) * 8
    let to = call.out + <usize>(first + i) * classes * 4
    for (let left = <i32>classes; left > 0; left -= 4) {
      storeFirst(to, f32x4.max(narrow(v128.load(row), v128.load(row, 16)), least), left)
      row += 32
      to += 16
    }
  }
}

/** Writes the loss and the number of correct rows of tile `item` to `scores`. */
export function evaluate(item: u32, scratch: usize): void {
  const s = forward(item, scratch)
  const first = item * TILE_ROWS
  const rows = min(TILE_ROWS, call.rows - first)
  let loss: f64 = 0
  let correct: u32 = 0
  for (let i: u32 = 0; i < rows; i++) {
    const label = load<u32>(call.labels + <usize>(first + i) * 4)
    const row = s + <usize>i * call.lanes * 8
    loss += scoreRow(row, label)
    // `scoreRow` has overwritten the first logit with the class of the largest one.
    if (load<u32>(row) == label) correct++
  }
  const score = call.scores + <usize>item * 16
  store<f64>(score, loss)
  store<f64>(score, <f64>correct, 8)
}

/** Writes the loss of the rows of tile `item` to `scores`, and its gradient with respect to their logits to `g`. */
export function train(item: u32, scratch: usize): void {
  const s = forward(item, scratch)
  const lanes = <usize>call.lanes
  const first = item * TILE_ROWS
  const rows = min(TILE_ROWS, call.rows - first)
  let loss: f64 = 0
  for (let i: usize = 0; i < <usize>rows; i++) {
    const row = <usize>first + i
    loss += differentiateRow(s + i * lanes * 8, load<u32>(call.labels + row * 4), row)
  }
  store<f64>(call.scores + <usize>item * 16, loss)
}

/** Computes the logits of the rows of tile `item`. Returns their address: float64 `[TILE_ROWS, lanes]`. */
function forward(item: u32, scratch: usize): usize {
  const stride = call.stride
  const classes = call.classes
  const lanes = call.lanes
  const first = item * TILE_ROWS
  const rows = min(TILE_ROWS, call.rows - first)
  const tile = scratch
  const s = scratch + FORWARD_SCRATCH
  for (let i: u32 = 0; i < TILE_ROWS; i++) {
    for (let k: u32 = 0; k < lanes; k += 2) {
      v128.store(s + <usize>(i * lanes + k) * 8, v128.load(call.bias + <usize>k * 8))
    }
  }
  for (let j: u32 = 0; j < stride; j += BLOCK) {
    const columns = min(BLOCK, stride - j)
    const groups = <usize>(columns >> 4)
    const inside = <i32>min(columns, call.features - j)
    for (let i: u32 = 0; i < rows; i++) {
      const from = call.values + (<usize>(first + i) * call.features + j) * call.width
      readRow(placeOf(tile, i, columns), 64, 256, from, call.width, inside, columns)
    }
    for (let i = rows; i & 3; i++) clearRow(placeOf(tile, i, columns), 64, 256, groups)
    for (let k: u32 = 0; k < classes; k += GROUP) {
      const w = call.folded + (<usize>k * stride + j * GROUP) * 4
      for (let i: u32 = 0; i < rows; i += 4) {
        dot4x2(placeOf(tile, i, columns), w, columns * 16, s + <usize>(i * lanes + k) * 8, lanes * 8)
      }
    }
  }
  return s
}

/** Returns the address of row `i` in a tile `[rows / 4, columns / 4, 4 rows, 4 columns]`. */
// @ts-ignore: decorator
@inline
function placeOf(tile: usize, i: u32, columns: u32): usize {
  return tile + <usize>(i >> 2) * columns * 16 + (i & 3) * 16
}

/**
 * Adds the products of four rows `x` and two rows `w` to the logits `s`: `s[i, k] += sum_j x[i, j] * w[k, j]`. `bytes` of
 * `x` are a multiple of 128.
 *
 * All that one turn of the loop reads lies together: rows that are a power of two apart would wait for the same bank of
 * the first-level cache. A tile of 4 x 2 fits into 16 registers: V8 loads all six operands before it multiplies. With
 * 3 x 3 or 2 x 5, V8 spills registers to memory, which halves the speed. So does a loop of two turns without the branch
 * between them, which V8 does not move loads across.
 */
function dot4x2(x: usize, w: usize, bytes: usize, s: usize, sPitch: usize): void {
  let a0 = f32x4.splat(0)
  let a1 = a0
  let b0 = a0
  let b1 = a0
  let c0 = a0
  let c1 = a0
  let d0 = a0
  let d1 = a0
  const end = x + bytes
  for (; x < end; x += 128) {
    let w0 = v128.load(w)
    let w1 = v128.load(w, 16)
    let row = v128.load(x)
    a0 = f32x4.add(a0, f32x4.mul(row, w0))
    a1 = f32x4.add(a1, f32x4.mul(row, w1))
    row = v128.load(x, 16)
    b0 = f32x4.add(b0, f32x4.mul(row, w0))
    b1 = f32x4.add(b1, f32x4.mul(row, w1))
    row = v128.load(x, 32)
    c0 = f32x4.add(c0, f32x4.mul(row, w0))
    c1 = f32x4.add(c1, f32x4.mul(row, w1))
    row = v128.load(x, 48)
    d0 = f32x4.add(d0, f32x4.mul(row, w0))
    d1 = f32x4.add(d1, f32x4.mul(row, w1))
    if (!s) break
    w0 = v128.load(w, 32)
    w1 = v128.load(w, 48)
    row = v128.load(x, 64)
    a0 = f32x4.add(a0, f32x4.mul(row, w0))
    a1 = f32x4.add(a1, f32x4.mul(row, w1))
    row = v128.load(x, 80)
    b0 = f32x4.add(b0, f32x4.mul(row, w0))
    b1 = f32x4.add(b1, f32x4.mul(row, w1))
    row = v128.load(x, 96)
    c0 = f32x4.add(c0, f32x4.mul(row, w0))
    c1 = f32x4.add(c1, f32x4.mul(row, w1))
    row = v128.load(x, 112)
    d0 = f32x4.add(d0, f32x4.mul(row, w0))
    d1 = f32x4.add(d1, f32x4.mul(row, w1))
    w += 64
  }
  addTo(s, a0, a1)
  addTo(s + sPitch, b0, b1)
  addTo(s + 2 * sPitch, c0, c1)
  addTo(s + 3 * sPitch, d0, d1)
}

/** Adds the sum of the four lanes of `a`, and that of `b`, to two float64 values in memory. */
// @ts-ignore: decorator
@inline
function addTo(at: usize, a: v128, b: v128): void {
  const pairs = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7))
  const sums = f32x4.add(pairs, v128.shuffle<f32>(pairs, pairs, 2, 3, 2, 3))
  v128.store(at, f64x2.add(v128.load(at), f64x2.promote_low_f32x4(sums)))
}
