import { argMax, type Numbers, type Predictions, writeSoftmax } from '../pipeline/stage-kit.js'
import type { Scorer } from './scorer.js'

/**
 * Returns the predicted class of each row, and its probabilities or scores in float64.
 *
 * @param scores `[rows, classes]`
 */
export function predict(
  scores: Numbers,
  { classes, isLogits }: Pick<Scorer, 'classes' | 'isLogits'>,
): Pick<Predictions, 'predicted' | 'values'> {
  const count = scores.length / classes
  const predicted = new Int32Array(count)
  const values = Float64Array.from(scores)
  for (let i = 0; i < count; i++) {
    const own = values.subarray(i * classes, (i + 1) * classes)
    predicted[i] = argMax(own)
    if (isLogits) writeSoftmax(own, own)
  }
  return { predicted, values }
}
