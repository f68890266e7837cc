import type { Rows } from '../contract.js'
import type { Arena } from './arena.js'
import { roundUp, TILE_ROWS, word } from './layout.js'

/** Bytes that the rows of one pass take at most, as float32 values and as logits: a bound on working memory. */
const BYTES = 8 * 1024 * 1024

/** Rows of a pass are a multiple of this (if not the last): the row block of `assembly/backward.ts`. */
const UNIT = 128

/** Rows are worked on in passes whose size depends on the shape alone, so that sums have one order everywhere. */
export interface Pass {
  /** Loss and hits, as `sumScores` leaves them. */
  readonly scores: Float64Array
  /** Logits, float64 `[rows, classes]`. */
  readonly logits: Float64Array
  /** Makes the rows from `first` on the subject of the next phases, and returns how many they are. */
  enter(rows: Rows, first: number): number
  free(): void
}

export function createPass(arena: Arena, features: number, classes: number, lanes: number): Pass {
  const { heap, words } = arena
  const most = Math.max(UNIT, Math.floor(BYTES / Math.max(4 * features, 8 * lanes) / UNIT) * UNIT)
  let capacity = 0
  let scores: Float64Array = new Float64Array(2)
  let labels: Int32Array = new Int32Array(0)
  let g = 0
  let logits: Float64Array = new Float64Array(0)
  let values: Uint8Array = new Uint8Array(0)

  function reserve(rows: number): void {
    if (rows <= capacity && capacity > 0) return
    free()
    const next = Math.min(most, roundUp(Math.max(rows, 1), UNIT))
    scores = new Float64Array(...heap.place((next / TILE_ROWS) * 16), 2)
    labels = new Int32Array(...heap.place(next * 4), next)
    g = heap.allocate(next * lanes * 4)
    // Last: where memory runs out, nothing above counts as reserved.
    capacity = next
  }

  function free(): void {
    for (const at of [scores.byteOffset, labels.byteOffset, g, logits.byteOffset, values.byteOffset]) heap.free(at)
    capacity = g = 0
    // Forgotten, too: freed twice, a block could be someone else's.
    scores = new Float64Array(2)
    labels = new Int32Array(0)
    logits = new Float64Array(0)
    values = new Uint8Array(0)
  }

  /** Where the module finds `count` bytes of row values: in place, or in a copy. */
  function locate(source: Uint8Array | Float32Array, from: number, count: number): number {
    const at = source.byteOffset + from
    if (heap.owns(source.buffer)) return at
    if (values.length < count) {
      heap.free(values.byteOffset)
      values = new Uint8Array(0)
      values = new Uint8Array(...heap.place(capacity * features * source.BYTES_PER_ELEMENT))
    }
    values.set(new Uint8Array(source.buffer, at, count))
    return values.byteOffset
  }

  return {
    get scores() {
      return scores
    },
    get logits() {
      if (logits.length === 0) logits = new Float64Array(...heap.place(capacity * classes * 8), capacity * classes)
      return logits
    },
    enter: (rows, first) => {
      const size = Math.min(most, rows.labels.length - first)
      const width = rows.values.BYTES_PER_ELEMENT
      reserve(size)
      labels.set(size === rows.labels.length ? rows.labels : rows.labels.subarray(first, first + size))
      words[word.rows] = size
      words[word.width] = width
      words[word.values] = locate(rows.values, first * features * width, size * features * width)
      words[word.labels] = labels.byteOffset
      words[word.g] = g
      words[word.pitch] = capacity
      words[word.scores] = scores.byteOffset
      return size
    },
    free,
  }
}
