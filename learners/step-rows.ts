import {
  type AnyLearner,
  type ExampleRows,
  isWeight,
  type LearnerData,
  PipelineError,
  type Rows,
} from '../pipeline/stage-kit.js'

/** What the rows of a batch get for a step. */
export interface StepRows {
  /** Whether steps draw masks, and so need a number to draw them from. */
  readonly isRandom: boolean
  /**
   * Adds to rows their weights for the loss, and the masks of their step. The weight of a row is its own, times that of its
   * class. Throws a PipelineError `DATA` if its own is negative or not finite.
   *
   * @param draw the random number of the step; not used unless `isRandom`
   * @param places the numbers of the rows in their batch; default: from 0 on
   */
  prepared(rows: ExampleRows, draw: number, places?: Iterable<number>): Rows
}

/** Returns how rows are prepared for the steps of a learner. Training and the gradient check share it. */
export function stepRows(
  learner: AnyLearner,
  data: LearnerData,
  own: Readonly<Record<string, unknown>>,
  classWeights: readonly number[] | undefined,
): StepRows {
  const masks = learner.masks?.(data, own)
  return {
    isRandom: masks !== undefined,
    prepared: (rows, draw, places = rows.labels.keys()) => {
      const weights = weightsOf(rows, classWeights)
      if (!masks && !weights) return rows
      return {
        ...rows,
        ...(weights && { weights }),
        ...(masks && { masks: masks(draw, places) }),
      }
    },
  }
}

/** What the loss of each row is multiplied by, or undefined if nothing weighs. */
function weightsOf(
  { labels, row, weight }: ExampleRows,
  classWeights: readonly number[] | undefined,
): Float64Array | undefined {
  if (!weight) return classWeights && Float64Array.from(labels, (label) => classWeights[label]!)
  const wrong = weight.findIndex((value) => !isWeight(value))
  if (wrong >= 0)
    throw new PipelineError(
      'DATA',
      `row ${row?.[wrong] ?? wrong}: expected a finite weight that is not negative, got ${weight[wrong]}`,
    )
  return Float64Array.from(labels, (label, i) => weight[i]! * (classWeights?.[label] ?? 1))
}
