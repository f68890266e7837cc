import type { AnyLearner, LearnerData, Rows } from '../pipeline/stage-kit.js'

/** What the rows of a batch get for a step. */
export interface StepRows {
  /** Whether steps draw masks, and so need a number to draw them from. */
  readonly isRandom: boolean
  /**
   * Adds to rows the weights of their classes and the masks of their step.
   *
   * @param draw the random number of the step; not used unless `isRandom`
   * @param places the numbers of the rows in their batch; default: from 0 on
   */
  prepared(rows: Rows, draw: number, places?: Iterable<number>): Rows
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
      if (!masks && !classWeights) return rows
      return {
        ...rows,
        ...(classWeights && { weights: Float64Array.from(rows.labels, (label) => classWeights[label]!) }),
        ...(masks && { masks: masks(draw, places) }),
      }
    },
  }
}
