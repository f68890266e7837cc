import type { Kernels, OpenModel, Rows } from '../pipeline/stage-kit.js'
import { predict } from './predict.js'

/** The predicted class of each row. */
export interface Classified {
  /** The class with the largest score (the first of equals); one entry per row. */
  readonly predicted: Int32Array
  /**
   * The confidence in that class. For logits it is the probability of the class, 0 … 1 (0 if a score is NaN); for other
   * scores it is the score itself.
   */
  readonly confidence: Float64Array
}

/**
 * Classifies rows, piece by piece.
 *
 * @param pieces of at most `model.rowsPerCall` rows
 * @param rows number of rows of all pieces together
 * @param pause awaited between two pieces
 */
export async function classify(
  model: OpenModel,
  kernels: Kernels,
  scores: 'logits' | 'other',
  pieces: Iterable<Rows>,
  { rows, classes }: { readonly rows: number; readonly classes: number },
  pause: () => Promise<void> | undefined,
): Promise<Classified> {
  const predicted = new Int32Array(rows)
  const confidence = new Float64Array(rows)
  const numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
  const room = new numbers(Math.min(rows, model.rowsPerCall) * classes)
  const isLogits = scores === 'logits'
  let row = 0
  for (const piece of pieces) {
    const size = piece.labels.length
    const scored = room.subarray(0, size * classes)
    await model.scores(piece, scored)
    const found = predict(scored, { classes, isLogits })
    for (const [i, best] of found.predicted.entries()) {
      const value = found.values[i * classes + best]!
      confidence[row + i] = isLogits && Number.isNaN(value) ? 0 : value
    }
    predicted.set(found.predicted, row)
    row += size
    await pause()
  }
  return { predicted, confidence }
}
