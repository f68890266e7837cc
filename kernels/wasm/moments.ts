import { checkWhole } from '../check.js'
import type { Moments } from '../contract.js'
import type { Arena } from './arena.js'
import { roundUp, TILE_COLUMNS, word } from './layout.js'

/** Bytes of foreign memory copied at a time, and the most rows whose squares a uint32 can sum. */
const PASS_BYTES = 8 * 1024 * 1024
const PASS_ROWS = 65536

/** Exact statistics per feature, see `Moments`. */
export function computeMoments(arena: Arena, values: Uint8Array, features: number): Moments {
  const { heap, words } = arena
  checkWhole(values, features)
  const stride = roundUp(features, 16)
  const total = values.length / features
  const foreign = !heap.owns(values.buffer)
  const most = foreign ? Math.min(PASS_ROWS, Math.ceil(PASS_BYTES / features)) : PASS_ROWS
  const copy = foreign ? heap.allocate(Math.min(most, total) * features) : 0
  const [buffer, out] = heap.place(stride * 18)
  const min = new Uint8Array(buffer, out + stride * 16, features).fill(255)
  words[word.features] = features
  words[word.stride] = stride
  words[word.out] = out
  for (let first = 0; first < total; first += most) {
    const rows = Math.min(most, total - first)
    const slice = values.subarray(first * features, (first + rows) * features)
    if (foreign) new Uint8Array(heap.memory.buffer, copy, slice.length).set(slice)
    words[word.rows] = rows
    words[word.values] = foreign ? copy : slice.byteOffset
    arena.run('moments', Math.ceil(features / TILE_COLUMNS), rows * features)
  }
  const moments = {
    sum: Float64Array.from(new Float64Array(buffer, out, features)),
    squares: Float64Array.from(new Float64Array(buffer, out + stride * 8, features)),
    min: Uint8Array.from(min),
    max: Uint8Array.from(new Uint8Array(buffer, out + stride * 17, features)),
  }
  heap.free(out)
  if (foreign) heap.free(copy)
  return moments
}
