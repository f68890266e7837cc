import { type Initial, initial, type Schedule, schedule } from '../../learners/index.js'
import { z } from '../../pipeline/stage-kit.js'

/** The options that every training stage has, beside those of its learner. */
export const common = {
  eta: schedule.describe(
    'Learning rate: a number, or { start, factor, every } to multiply it by factor after every `every` epochs.',
  ),
  lambda: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Weight decay: lambda · Σ W² is added to the loss; b is not penalised.'),
  init: initial
    .default('normal')
    .describe('Initial parameters: zeros, normal (standard deviation 0.01), { normal: sigma } or xavier.'),
  onDivergence: z
    .enum(['stop', 'continue'])
    .default('stop')
    .describe('What to do when the loss is no longer a finite number.'),
}

/** The options of a training stage, checked. */
export interface TrainingOptions {
  /** Learning rate. */
  readonly eta: Schedule
  /** Weight of the penalty. */
  readonly lambda: number
  /** How the initial parameters are made. */
  readonly init: Initial
  /** What to do when the loss is no longer a finite number. */
  readonly onDivergence: 'stop' | 'continue'
}
