import { argMax, writeSoftmax } from '../../pipeline/stage-kit.js'

/** One row with the scores that a model gives it. A tally sees the same object for every row. */
export interface ScoredRow {
  /** A score per class, in float64. */
  readonly scores: Float64Array
  /** The softmax of the scores; all zero if the scores are no logits. */
  readonly probabilities: Float64Array
  /** The true class. */
  label: number
  /** The class with the largest score, the first of equals. */
  predicted: number
  /** `-log p` of the true class, in nats; 0 if the scores are no logits. */
  surprise: number
}

/** Sums over rows that metrics are computed from. The sums of two parts of a split are added to those of both. */
export interface Tally {
  /** Number of sums. */
  readonly size: number
  /** Adds a row to the sums, which begin at `at`. */
  add(sums: Float64Array, at: number, row: ScoredRow): void
}

/**
 * Calls `take` for each row of `scores` `[rows, classes]`. The probabilities are computed relative to the largest score,
 * in float64, so that nothing overflows.
 */
export function forEachScored(
  scores: ArrayLike<number>,
  labels: Int32Array,
  row: ScoredRow,
  isLogits: boolean,
  take: (row: ScoredRow) => void,
): void {
  const classes = row.scores.length
  for (let i = 0; i < labels.length; i++) {
    for (let k = 0; k < classes; k++) row.scores[k] = scores[i * classes + k]!
    row.label = labels[i]!
    row.predicted = argMax(row.scores)
    if (isLogits) row.surprise = writeSoftmax(row.scores, row.probabilities) - row.scores[row.label]!
    take(row)
  }
}

/** Makes the row that `forEachScored` fills. */
export function emptyRow(classes: number): ScoredRow {
  return {
    scores: new Float64Array(classes),
    probabilities: new Float64Array(classes),
    label: 0,
    predicted: 0,
    surprise: 0,
  }
}
