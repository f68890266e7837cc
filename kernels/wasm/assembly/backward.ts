import { call, GROUP, gradientAt, ROW_BLOCK, TILE_COLUMNS } from './call'
import { narrow } from './fold'
import { END, nonzeroAt, ROW_BYTES } from './nonzero'
import { readRow, storeFirst } from './tile'
import { ADAM, changeByAdam, changeByMomentum } from './update'

/** Bytes of working memory for one block of rows. */
export const BACKWARD_SCRATCH: u32 = ROW_BLOCK * 32 * 4

/** Adds the gradient `G^T Z` of the rows of this pass to `sums`, in the columns of tile `item`. */
export function accumulate(item: u32, scratch: usize): void {
  const tile = sumTile(item, scratch)
  const first = item * TILE_COLUMNS
  const columns = min(TILE_COLUMNS, call.stride - first)
  for (let k: u32 = 0; k < call.classes; k++) {
    memory.copy(sumsAt(k, first), tile + <usize>(k * TILE_COLUMNS) * 8, <usize>columns * 8)
  }
}

/**
 * Adds the gradient of the rows of this pass to `sums` and updates the weights with the result, in the columns of tile
 * `item`: `W -= eta * (dW + 2 * lambda * W)`. `sums` itself does not change.
 */
export function update(item: u32, scratch: usize): void {
  const tile = sumTile(item, scratch)
  const features = call.features
  const first = item * TILE_COLUMNS
  const columns = min(TILE_COLUMNS, features - first)
  if (call.rule != 0) return updateWithState(tile, first, columns)
  const factor = f64x2.splat(call.factor)
  const decay = f32x4.splat(<f32>(2 * call.lambda))
  const eta = f32x4.splat(<f32>call.eta)
  for (let k: u32 = 0; k < call.classes; k++) {
    let sum = tile + <usize>(k * TILE_COLUMNS) * 8
    let w = call.W + (<usize>k * features + first) * 4
    for (let left = <i32>columns; left > 0; left -= 4) {
      const step = f32x4.mul(eta, meanGradient(sum, factor, w, decay))
      storeFirst(w, f32x4.sub(v128.load(w), step), left)
      sum += 32
      w += 16
    }
  }
}

/** The same by a rule that keeps state for each weight. */
function updateWithState(tile: usize, first: u32, columns: u32): void {
  const factor = f64x2.splat(call.factor)
  const decay = f32x4.splat(<f32>(2 * call.lambda))
  for (let k: u32 = 0; k < call.classes; k++) {
    const sum = tile + <usize>(k * TILE_COLUMNS) * 8
    const at = (<usize>k * call.features + first) * 4
    // The gradient takes the place of the sums that it is made of: each four need half of their bytes.
    for (let j: usize = 0; j < columns; j += 4) {
      v128.store(sum + j * 4, meanGradient(sum + j * 8, factor, call.W + at + j * 4, decay))
    }
    if (call.rule == ADAM) changeByAdam(call.W + at, sum, call.first + at, call.second + at, columns)
    else changeByMomentum(call.W + at, sum, call.first + at, columns)
  }
}

/** Writes the gradient of the mean cost over the accumulated rows to `out`, in the columns of tile `item`. */
export function gradient(item: u32): void {
  const features = call.features
  const first = item * TILE_COLUMNS
  const columns = min(TILE_COLUMNS, features - first)
  const factor = f64x2.splat(call.factor)
  const decay = f32x4.splat(<f32>(2 * call.lambda))
  for (let k: u32 = 0; k < call.classes; k++) {
    const at = (<usize>k * features + first) * 4
    for (let j: u32 = 0; j < columns; j += 4) {
      const offset = at + <usize>j * 4
      const gradient = meanGradient(sumsAt(k, first + j), factor, call.W + offset, decay)
      storeFirst(call.out + offset, gradient, <i32>(columns - j))
    }
  }
}

/** Writes the product `G^T X` of `g` and the values of this pass to `out`, in the columns of tile `item`; 0 behind a ReLU that gave 0. */
export function product(item: u32, scratch: usize): void {
  const tile = sumTile(item, scratch)
  const features = call.features
  const first = item * TILE_COLUMNS
  const columns = min(TILE_COLUMNS, features - first)
  for (let k: u32 = 0; k < call.classes; k++) {
    let sum = tile + <usize>(k * TILE_COLUMNS) * 8
    let to = call.out + (<usize>k * features + first) * 4
    let gate = call.relu + (to - call.out)
    for (let left = <i32>columns; left > 0; left -= 4) {
      let slope = narrow(v128.load(sum), v128.load(sum, 16))
      if (call.relu) slope = v128.andnot(slope, f32x4.le(v128.load(gate), f32x4.splat(0)))
      storeFirst(to, slope, left)
      sum += 32
      to += 16
      gate += 16
    }
  }
}

/** Returns four columns of the gradient of the mean cost: `dW + 2 * lambda * W`, where `dW` is `sum / n`. */
// @ts-ignore: decorator
@inline
function meanGradient(sum: usize, factor: v128, w: usize, decay: v128): v128 {
  const dW = narrow(f64x2.mul(v128.load(sum), factor), f64x2.mul(v128.load(sum, 16), factor))
  return f32x4.add(dW, f32x4.mul(decay, v128.load(w)))
}

/** Returns the address of `sums[k, j]`. */
// @ts-ignore: decorator
@inline
function sumsAt(k: u32, j: u32): usize {
  return call.sums + (<usize>k * call.stride + j) * 8
}

/**
 * Computes the gradient `G^T Z` of the rows of this pass, plus `sums` if `carried` is 1, in the columns of tile `item`.
 * Returns the address of the result in working memory: float64 `[lanes, TILE_COLUMNS]`.
 */
function sumTile(item: u32, scratch: usize): usize {
  const rows = call.rows
  const classes = call.classes
  const lanes = call.lanes
  const first = item * TILE_COLUMNS
  const columns = min(TILE_COLUMNS, call.stride - first)
  const x = scratch
  const tile = scratch + BACKWARD_SCRATCH
  memory.fill(tile, 0, <usize>(lanes * TILE_COLUMNS) * 8)
  for (let i: u32 = 0; i < rows; i += ROW_BLOCK) {
    const count = min(ROW_BLOCK, rows - i)
    for (let j: u32 = 0; j < columns; j += 32) {
      const inside = <i32>min<u32>(32, call.features - first - j)
      const width = call.width
      const pitch = <usize>call.features * width
      let from = call.values + <usize>i * pitch + <usize>(first + j) * width
      const end = x + <usize>count * ROW_BYTES
      for (let to = x; to < end; to += ROW_BYTES) {
        readRow(to, 16, 64, from, width, inside, 32)
        from += pitch
      }
      for (let k: u32 = 0; k < classes; k += GROUP) addPair(k, i, count, x, tile + <usize>(k * TILE_COLUMNS + j) * 8)
    }
  }
  for (let k: u32 = 0; k < classes; k++) {
    const row = tile + <usize>(k * TILE_COLUMNS) * 8
    if (call.scale) standardise(row, load<f64>(call.gPass + <usize>k * 8), first, columns)
    if (call.carried) addSums(row, sumsAt(k, first), columns)
  }
  return tile
}

/** Adds the products of two classes and a strip of 32 columns of a block of rows to `R`. */
function addPair(k: usize, i: usize, count: u32, x: usize, R: usize): void {
  if (call.nonzero) {
    const list = nonzeroAt(k, i)
    const other = nonzeroAt(k + 1, i)
    if (load<u32>(list) != END || load<u32>(other) != END) {
      outer1x32(list, x, R)
      outer1x32(other, x, R + TILE_COLUMNS * 8)
      return
    }
  }
  const g = gradientAt(k) + i * 8
  outer2x16(g, x, count, R)
  outer2x16(g, x + 64, count, R + 128)
}

/** Turns `sum(g * x)` into `sum(g * z)`: `sum(g * z) = (sum(g * x) - sum(g) * mean) * scale`. */
function standardise(row: usize, gSum: f64, first: u32, columns: u32): void {
  const g = f64x2.splat(gSum)
  const mean = call.mean + <usize>first * 8
  const scale = call.scale + <usize>first * 8
  for (let j: usize = 0; j < <usize>columns * 8; j += 32) {
    const low = f64x2.sub(v128.load(row + j), f64x2.mul(g, v128.load(mean + j)))
    const high = f64x2.sub(v128.load(row + j, 16), f64x2.mul(g, v128.load(mean + j, 16)))
    v128.store(row + j, f64x2.mul(low, v128.load(scale + j)))
    v128.store(row + j, f64x2.mul(high, v128.load(scale + j, 16)), 16)
  }
}

/** Adds the row of `sums` at `from` to a row of the tile. */
function addSums(row: usize, from: usize, columns: u32): void {
  for (let j: usize = 0; j < <usize>columns * 8; j += 16) {
    v128.store(row + j, f64x2.add(v128.load(row + j), v128.load(from + j)))
  }
}

/**
 * Adds the products of the slopes of one class that are not 0 and 32 columns of `x` to `R`. The branch in the middle is
 * never taken: V8 does not move loads across it, so it does not need more registers than there are.
 */
function outer1x32(list: usize, x: usize, R: usize): void {
  let a0 = f32x4.splat(0)
  let a1 = a0
  let a2 = a0
  let a3 = a0
  let a4 = a0
  let a5 = a0
  let a6 = a0
  let a7 = a0
  for (; load<u32>(list) != END; list += 8) {
    const row = x + load<u32>(list)
    const gk = v128.load_splat<f32>(list, 4)
    let v = v128.load(row)
    a0 = f32x4.add(a0, f32x4.mul(v, gk))
    v = v128.load(row, 16)
    a1 = f32x4.add(a1, f32x4.mul(v, gk))
    v = v128.load(row, 32)
    a2 = f32x4.add(a2, f32x4.mul(v, gk))
    v = v128.load(row, 48)
    a3 = f32x4.add(a3, f32x4.mul(v, gk))
    if (!R) break
    v = v128.load(row, 64)
    a4 = f32x4.add(a4, f32x4.mul(v, gk))
    v = v128.load(row, 80)
    a5 = f32x4.add(a5, f32x4.mul(v, gk))
    v = v128.load(row, 96)
    a6 = f32x4.add(a6, f32x4.mul(v, gk))
    v = v128.load(row, 112)
    a7 = f32x4.add(a7, f32x4.mul(v, gk))
  }
  addTo(R, a0, a1)
  addTo(R + 64, a2, a3)
  addTo(R + 128, a4, a5)
  addTo(R + 192, a6, a7)
}

/**
 * Adds the products of two rows of `g` and sixteen columns of `x`, `[rows, 32]`, to `R`: `R[k, j] += sum_i g[k, i] * x[i, j]`.
 * Like `dot4x2` in `forward.ts`, it uses as many registers as V8 can keep without spilling, and takes two rows in a turn.
 */
function outer2x16(g: usize, x: usize, rows: u32, R: usize): void {
  let a0 = f32x4.splat(0)
  let a1 = a0
  let a2 = a0
  let a3 = a0
  let b0 = a0
  let b1 = a0
  let b2 = a0
  let b3 = a0
  const end = x + <usize>rows * ROW_BYTES
  const last = end - ROW_BYTES
  for (; x < end; x += 2 * ROW_BYTES) {
    let ga = v128.load_splat<f32>(g)
    let gb = v128.load_splat<f32>(g, 4)
    let v = v128.load(x)
    a0 = f32x4.add(a0, f32x4.mul(v, ga))
    b0 = f32x4.add(b0, f32x4.mul(v, gb))
    v = v128.load(x, 16)
    a1 = f32x4.add(a1, f32x4.mul(v, ga))
    b1 = f32x4.add(b1, f32x4.mul(v, gb))
    v = v128.load(x, 32)
    a2 = f32x4.add(a2, f32x4.mul(v, ga))
    b2 = f32x4.add(b2, f32x4.mul(v, gb))
    v = v128.load(x, 48)
    a3 = f32x4.add(a3, f32x4.mul(v, ga))
    b3 = f32x4.add(b3, f32x4.mul(v, gb))
    if (x == last) break
    ga = v128.load_splat<f32>(g, 8)
    gb = v128.load_splat<f32>(g, 12)
    v = v128.load(x, 128)
    a0 = f32x4.add(a0, f32x4.mul(v, ga))
    b0 = f32x4.add(b0, f32x4.mul(v, gb))
    v = v128.load(x, 144)
    a1 = f32x4.add(a1, f32x4.mul(v, ga))
    b1 = f32x4.add(b1, f32x4.mul(v, gb))
    v = v128.load(x, 160)
    a2 = f32x4.add(a2, f32x4.mul(v, ga))
    b2 = f32x4.add(b2, f32x4.mul(v, gb))
    v = v128.load(x, 176)
    a3 = f32x4.add(a3, f32x4.mul(v, ga))
    b3 = f32x4.add(b3, f32x4.mul(v, gb))
    g += 16
  }
  addTo(R, a0, a1)
  addTo(R + 64, a2, a3)
  R += TILE_COLUMNS * 8
  addTo(R, b0, b1)
  addTo(R + 64, b2, b3)
}

/** Adds eight float32 values to eight float64 values in memory. */
// @ts-ignore: decorator
@inline
function addTo(R: usize, a: v128, b: v128): void {
  v128.store(R, f64x2.add(v128.load(R), f64x2.promote_low_f32x4(a)))
  v128.store(R, f64x2.add(v128.load(R, 16), f64x2.promote_low_f32x4(v128.shuffle<f32>(a, a, 2, 3, 2, 3))), 16)
  v128.store(R, f64x2.add(v128.load(R, 32), f64x2.promote_low_f32x4(b)), 32)
  v128.store(R, f64x2.add(v128.load(R, 48), f64x2.promote_low_f32x4(v128.shuffle<f32>(b, b, 2, 3, 2, 3))), 48)
}
