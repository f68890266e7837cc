import { checkWhole } from '../check.js'
import type { Moments } from '../contract.js'
import type { Arena } from './arena.js'
import { roundUp, TILE_COLUMNS, word } from './layout.js'

/** Bytes that one pass copies if the values do not lie in the memory of the module. */
const PASS_BYTES = 8 * 1024 * 1024
/** The most rows of a pass: the module sums squares in uint32, and 65536 * 255^2 < 2^32. */
const PASS_ROWS = 65536

/**
 * Computes exact statistics per feature, see `Moments`. Throws a RangeError if `values` are not whole rows of `features`
 * values.
 */
export function computeMoments(arena: Arena, values: Uint8Array, features: number): Moments {
  const { heap, words } = arena
  checkWhole(values, features)
  const stride = roundUp(features, 16)
  const total = values.length / features
  const isForeign = !heap.owns(values.buffer)
  const maxRows = isForeign ? Math.min(PASS_ROWS, Math.ceil(PASS_BYTES / features)) : PASS_ROWS
  const copy = isForeign ? heap.allocate(Math.min(maxRows, total) * features) : 0
  const [buffer, out] = heap.place(stride * 18)
  const min = new Uint8Array(buffer, out + stride * 16, features).fill(255)
  words[word.features] = features
  words[word.stride] = stride
  words[word.out] = out
  for (let first = 0; first < total; first += maxRows) {
    const rows = Math.min(maxRows, total - first)
    const slice = values.subarray(first * features, (first + rows) * features)
    if (isForeign) new Uint8Array(heap.memory.buffer, copy, slice.length).set(slice)
    words[word.rows] = rows
    words[word.values] = isForeign ? copy : slice.byteOffset
    arena.run('moments', Math.ceil(features / TILE_COLUMNS), rows * features)
  }
  const moments = {
    sum: Float64Array.from(new Float64Array(buffer, out, features)),
    squares: Float64Array.from(new Float64Array(buffer, out + stride * 8, features)),
    min: Uint8Array.from(min),
    max: Uint8Array.from(new Uint8Array(buffer, out + stride * 17, features)),
  }
  heap.free(out)
  if (isForeign) heap.free(copy)
  return moments
}
