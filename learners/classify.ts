import type { Kernels, OpenModel, Rows } from '../pipeline/stage-kit.js'

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
  let row = 0
  for (const piece of pieces) {
    const size = piece.labels.length
    const scored = room.subarray(0, size * classes)
    await model.scores(piece, scored)
    for (let i = 0; i < size; i++, row++) {
      const at = i * classes
      const best = largestOf(scored, at, classes)
      predicted[row] = best
      confidence[row] = scores === 'logits' ? probabilityOf(scored, at, classes, best) : scored[at + best]!
    }
    await pause()
  }
  return { predicted, confidence }
}

function largestOf(scores: ArrayLike<number>, at: number, classes: number): number {
  let best = 0
  for (let k = 1; k < classes; k++) if (scores[at + k]! > scores[at + best]!) best = k
  return best
}

/** The softmax probability of the class with the largest logit. */
function probabilityOf(logits: ArrayLike<number>, at: number, classes: number, best: number): number {
  let sum = 0
  for (let k = 0; k < classes; k++) sum += Math.exp(logits[at + k]! - logits[at + best]!)
  return Number.isNaN(sum) ? 0 : 1 / sum
}
