import type { TrainingInterval } from '../base/every.js'

/** What a stage may ask of the stage that makes the parameters of an input. */
export interface Asked {
  /** A table with the parameters before the first step, at step 0 of epoch 0. */
  readonly start?: boolean
  /** The norm of the gradient, at the end of every such interval; `gradientNormOf` returns it. */
  readonly gradientNorm?: TrainingInterval
  /**
   * When it reads the arrays of parameters: at the end of every such interval and in the last table, or in the last one
   * alone. A kernel on a device copies them into this process then, and no reader may look at those of other tables. A stage
   * that leaves this out gets them with every table, which takes a device longer than the step.
   */
  readonly arrays?: TrainingInterval | 'last'
  /**
   * Examples in tables of a few megabytes, split after split or mixed, instead of one table for each split: the rows need not
   * be in memory together. A stage that does not answer this gives whole splits.
   */
  readonly pieces?: boolean
  /** Batches whose rows are still in a file, if the split is. A stage that does not answer this reads the rows. */
  readonly unread?: boolean
  /**
   * Batches whose memory may be used again as soon as the next one is emitted: the stage keeps none of them. It holds only if it
   * does for all stages that get the batches, also those to which they are passed on.
   */
  readonly borrowed?: boolean
}
