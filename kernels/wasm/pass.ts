import type { Rows } from '../contract.js'
import type { Arena } from './arena.js'
import { ROW_BLOCK, roundUp, TILE_ROWS, word } from './layout.js'

/** The most bytes that the rows of one pass take as float32 values, or as logits. This bounds the working memory. */
const PASS_BYTES = 8 * 1024 * 1024

/**
 * The memory of the rows that the phases work on. Rows are divided into passes whose size depends only on the number of
 * features and classes, so that the order of sums is the same on every machine.
 */
export interface Pass {
  /** Loss and number of correct rows, after `sumScores`. */
  readonly scores: Float64Array
  /** Logits, float64 `[rows, classes]`. */
  readonly logits: Float64Array
  /** Address of room for the lists of `nonzero.ts`, for as many rows as `enter` was last given. */
  readonly nonzero: number
  /** Makes the next phases work on the rows from `first`. Returns the number of rows of this pass. */
  enter(rows: Rows, first: number): number
  /** Frees the memory. A later `enter` allocates it again. */
  free(): void
}

/** The bytes that a pass needs at least, with the memory for the gradients of a block of rows. */
export const leastPassBytes = (lanes: number): number => ROW_BLOCK * lanes * 4

/** Creates a pass without rows. `lanes` is the padded number of classes. */
export function createPass(arena: Arena, features: number, classes: number, lanes: number): Pass {
  const { heap, words } = arena
  const fitting = Math.floor(PASS_BYTES / Math.max(4 * features, 8 * lanes) / ROW_BLOCK) * ROW_BLOCK
  const maxRows = Math.max(ROW_BLOCK, fitting)
  let capacity = 0
  let scores: Float64Array = new Float64Array(2)
  let labels: Int32Array = new Int32Array(0)
  let g = 0
  let nonzero = 0
  let logits: Float64Array = new Float64Array(0)
  let values: Uint8Array = new Uint8Array(0)

  function reserve(rows: number): void {
    if (rows <= capacity && capacity > 0) return
    free()
    const next = Math.min(maxRows, roundUp(Math.max(rows, 1), ROW_BLOCK))
    scores = new Float64Array(...heap.place((next / TILE_ROWS) * 16), 2)
    labels = new Int32Array(...heap.place(next * 4), next)
    g = heap.allocate(next * lanes * 4)
    // Only now: if an allocation above throws, the pass has no capacity.
    capacity = next
  }

  function free(): void {
    for (const at of [scores.byteOffset, labels.byteOffset, g, nonzero, logits.byteOffset, values.byteOffset])
      heap.free(at)
    capacity = g = nonzero = 0
    // A second `free` must not free these addresses again: they may belong to other blocks by then.
    scores = new Float64Array(2)
    labels = new Int32Array(0)
    logits = new Float64Array(0)
    values = new Uint8Array(0)
  }

  /** Returns the address of `count` bytes of row values. Copies them unless they lie in the memory of the module. */
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
    get nonzero() {
      nonzero ||= heap.allocate(capacity * lanes * 8)
      return nonzero
    },
    enter: (rows, first) => {
      const size = Math.min(maxRows, rows.labels.length - first)
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
