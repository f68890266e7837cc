import {
  type ClassWeights,
  classWeights,
  type Initial,
  initial,
  type Schedule,
  schedule,
  type Update,
  update,
} from '../../learners/index.js'
import { z } from '../../pipeline/stage-kit.js'

/** The options that every training stage has, beside those of its learner. */
export const common = {
  eta: schedule.describe(
    'Learning rate: a number, or a schedule: { start, factor, every } multiplies it by factor after every `every` ' +
      'epochs; { exponential: { start, factor } }, { linear: { start, end } }, { cosine: { start, end, period, growth } } ' +
      'and { cyclical: { min, max, halfCycle, halving } } change it with every step; { plateau: { start, metric, factor, ' +
      'patience, minDelta, min } } reduces it when a metric stops becoming better.',
  ),
  warmUp: z
    .int()
    .nonnegative()
    .default(0)
    .describe('Number of first steps in which the learning rate rises from almost 0 to where the schedule begins.'),
  update: update
    .default('sgd')
    .describe(
      'The update rule: sgd, momentum, nesterov, adam, adamw, or one with its numbers: { momentum: 0.9 }, ' +
        '{ nesterov: 0.9 }, { adam: { beta1, beta2, epsilon } }, { adamw: { decay, beta1, beta2, epsilon } }.',
    ),
  clip: z
    .number()
    .positive()
    .optional()
    .describe(
      'The largest norm of the gradient of all arrays together, penalty included; a larger one is scaled down.',
    ),
  lambda: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Weight decay: lambda · Σ W² is added to the loss; b is not penalised.'),
  l1: z.number().nonnegative().default(0).describe('l1 · Σ |W| is added to the loss; b is not penalised.'),
  classWeights: classWeights
    .optional()
    .describe(
      'What steps multiply the loss of a row by: balanced (n / (classes · rows of its class) for the n rows that are ' +
        'trained on), a number for each class, or a mapping of names of classes to numbers (1 for the others). Metrics ' +
        'have the plain loss.',
    ),
  init: initial
    .default('normal')
    .describe(
      'Initial parameters: zeros, normal (standard deviation 0.01), { normal: sigma }, xavier (weights of a layer with n ' +
        'inputs are N(0, 1/n), of a single layer uniform), he (N(0, 2/n)), or { from: a run or a .safetensors file }.',
    ),
  onDivergence: z
    .enum(['stop', 'continue'])
    .default('stop')
    .describe('What to do when the loss is no longer a finite number.'),
}

/** The options of a training stage, checked. */
export interface TrainingOptions {
  /** Learning rate. */
  readonly eta: Schedule
  /** Number of first steps in which the learning rate rises. */
  readonly warmUp: number
  /** What a gradient does to the parameters. */
  readonly update: Update
  /** The largest norm of the gradient, if there is a limit. */
  readonly clip?: number | undefined
  /** Weight of the penalty. */
  readonly lambda: number
  /** Weight of the penalty of magnitudes. */
  readonly l1: number
  /** What the losses of rows are multiplied by, if they are. */
  readonly classWeights?: ClassWeights | undefined
  /** How the initial parameters are made. */
  readonly init: Initial
  /** What to do when the loss is no longer a finite number. */
  readonly onDivergence: 'stop' | 'continue'
}
