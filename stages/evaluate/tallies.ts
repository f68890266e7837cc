import type { Tally } from './scored-rows.js'

/** Number of bins of the calibration error. */
const BINS = 15

/** Per class the rows that have it, those that were predicted to have it, and those of both: `3 · classes` counts. */
export function countsOf(classes: number): Tally {
  return {
    size: 3 * classes,
    add: (sums, at, { label, predicted }) => {
      sums[at + label]!++
      sums[at + classes + predicted]!++
      if (label === predicted) sums[at + 2 * classes + label]!++
    },
  }
}

/** The counts of one class. */
interface ClassCounts {
  readonly rows: number
  readonly predicted: number
  readonly correct: number
}

function classCounts(sums: Float64Array): ClassCounts[] {
  const classes = sums.length / 3
  return Array.from({ length: classes }, (_, k) => ({
    rows: sums[k]!,
    predicted: sums[classes + k]!,
    correct: sums[2 * classes + k]!,
  }))
}

/** Share of the rows of each class that were predicted to have it; NaN for a class without rows. */
export function classAccuracies(sums: Float64Array): number[] {
  return classCounts(sums).map(({ rows, correct }) => correct / rows)
}

/**
 * Mean of the accuracies of the classes that have rows, the balanced accuracy (K. Brodersen et al., 2010; as
 * `balanced_accuracy_score` of scikit-learn).
 */
export function balancedAccuracy(sums: Float64Array): number {
  return meanOf(classAccuracies(sums).filter((accuracy) => !Number.isNaN(accuracy)))
}

/**
 * Mean over the classes of `F1 = 2 · correct / (rows + predicted)`, which is the harmonic mean of precision and recall
 * (C. van Rijsbergen, Information Retrieval, 1979; as `f1_score` of scikit-learn with `average='macro'`). A class that
 * neither is in the rows nor was predicted is left out.
 */
export function macroF1(sums: Float64Array): number {
  const found = classCounts(sums).filter(({ rows, predicted }) => rows + predicted > 0)
  return meanOf(found.map(({ rows, predicted, correct }) => (2 * correct) / (rows + predicted)))
}

/** The accuracy of always naming the class that most rows have: a model must beat it to have learned anything. */
export function majorityAccuracy(sums: Float64Array, rows: number): number {
  return Math.max(...classCounts(sums).map(({ rows }) => rows)) / rows
}

/**
 * Number of rows whose label is among the `k` largest scores. Of equal scores, the first class comes first, so that
 * top-1 is the accuracy. A label whose score is NaN is not among them.
 */
export function topK(k: number): Tally {
  return {
    size: 1,
    add: (sums, at, { scores, label }) => {
      const own = scores[label]!
      let before = 0
      for (let c = 0; c < scores.length; c++) if (scores[c]! > own || (scores[c] === own && c < label)) before++
      if (before < k && !Number.isNaN(own)) sums[at]!++
    },
  }
}

/** Sum of `-log p` of the labels. */
export const surprises: Tally = {
  size: 1,
  add: (sums, at, { surprise }) => {
    sums[at]! += surprise
  },
}

/** Sum of `Σ_k (p_k - [k is the label])²` (G. Brier, 1950, with all classes: 0 … 2). */
export const squaredErrors: Tally = {
  size: 1,
  add: (sums, at, { probabilities, label }) => {
    let sum = 0
    for (let k = 0; k < probabilities.length; k++) sum += (probabilities[k]! - (k === label ? 1 : 0)) ** 2
    sums[at]! += sum
  },
}

/**
 * Per bin of confidence the correct rows and the sum of the confidences. The confidence is the probability of the
 * predicted class, the bins are `(b / 15, (b + 1) / 15]`.
 */
export const confidences: Tally = {
  size: 2 * BINS,
  add: (sums, at, { probabilities, predicted, label }) => {
    const confidence = probabilities[predicted]!
    // NaN goes to the first bin, and makes the error NaN.
    const bin = confidence > 0 ? Math.min(BINS, Math.ceil(confidence * BINS)) - 1 : 0
    if (predicted === label) sums[at + 2 * bin]!++
    sums[at + 2 * bin + 1]! += confidence
  },
}

/**
 * The expected calibration error `Σ_b n_b / n · |accuracy of b - mean confidence of b|` over 15 bins of equal width
 * (M. Naeini et al., 2015; bins and number as C. Guo et al., 2017).
 */
export function calibrationError(sums: Float64Array, rows: number): number {
  let sum = 0
  for (let b = 0; b < BINS; b++) sum += Math.abs(sums[2 * b]! - sums[2 * b + 1]!)
  return sum / rows
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
