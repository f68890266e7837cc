import {
  type AnyLearner,
  applyAffine,
  arraysOf,
  isFoldable,
  type Kernels,
  type Later,
  type Model,
  type Numbers,
  openModel,
  type Rows,
  widthOf,
} from '../pipeline/stage-kit.js'
import { checkArrays } from './check-arrays.js'

/** A trained model that scores rows as they were loaded. */
export interface Scorer {
  /** Width of a row. */
  readonly features: number
  /** Number of classes. */
  readonly classes: number
  /** Whether scores are logits, so that their softmax is the probability of each class. */
  readonly isLogits: boolean
  /** The most rows that one call should get. */
  readonly rowsPerCall: number
  /**
   * Scores rows as they were loaded, before any standardisation, row-major; at most `rowsPerCall`. The next call overwrites
   * the result, `[rows, classes]`.
   */
  score(values: Uint8Array | Float32Array): Later<Numbers>
  /** Does the same for rows as a learner takes them. Their labels are not looked at. */
  scoreRows(rows: Rows): Later<Numbers>
  /** Gives the memory of the model back. */
  free(): void
}

/**
 * Opens a trained model to score rows with it. The arrays are copied. Bytes are standardised by the kernel; other numbers
 * before it, as `normalize/*` does.
 */
export function openScorer(model: Model, learner: AnyLearner, kernels: Kernels): Scorer {
  const [features, classes] = [widthOf(model.shape), model.classes.length]
  checkArrays(model, learner)
  const { affine } = model
  const folded = affine && isFoldable(affine) ? affine : undefined
  const opened = openModel(learner, kernels, { features, classes }, model.options)
  opened.load(arraysOf(model))
  const number = kernels.precision === 'float64' ? Float64Array : Float32Array
  let room: Numbers = new number(0)
  let labels = new Int32Array(0)
  let floats = new Float32Array(0)

  function scoreRows(rows: Rows): Later<Numbers> {
    const count = rows.labels.length
    if (room.length < count * classes) room = new number(count * classes)
    const scores = room.subarray(0, count * classes)
    const scored = opened.scores(rows, scores)
    return scored instanceof Promise ? scored.then(() => scores) : scores
  }

  function score(values: Uint8Array | Float32Array): Later<Numbers> {
    const count = values.length / features
    if (labels.length < count) labels = new Int32Array(count)
    const own = labels.length === count ? labels : labels.subarray(0, count)
    if (!affine) return scoreRows({ values, labels: own })
    if (values instanceof Uint8Array && folded) return scoreRows({ values, labels: own, affine: folded })
    if (floats.length < values.length) floats = new Float32Array(values.length)
    const standardised = floats.subarray(0, values.length)
    applyAffine(values, affine, standardised)
    return scoreRows({ values: standardised, labels: own })
  }

  return {
    features,
    classes,
    isLogits: learner.scores === 'logits',
    rowsPerCall: opened.rowsPerCall,
    score,
    scoreRows,
    free: () => opened.free(),
  }
}
