import type { Table } from 'apache-arrow'
import { defer, finalize } from 'rxjs'
import { type Initial, initial, type Schedule, schedule, sgd } from '../../learners/index.js'
import { defineStage, type Learner, wire, z } from '../../pipeline/stage-kit.js'
import { makeTrainer } from './trainer.js'

/** The options that every training stage has, beside those of its learner. */
const common = {
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
  /** What to do if the loss is no longer a finite number. */
  readonly onDivergence: 'stop' | 'continue'
}

/** The parts of a training stage. */
export interface GradientStepSpec<L extends z.ZodRawShape> {
  /** Its name: `gradient-step/softmax`. */
  readonly name: string
  /** One sentence, third person. */
  readonly summary: string
  /** The learner to train. */
  readonly learner: Learner<z.ZodObject<L>>
  /** YAML of one use. */
  readonly example: string
}

/**
 * Makes a training stage. It combines a learner with an update rule (gradient descent) and a schedule of the learning
 * rate. The options of the learner become options of the stage.
 *
 * The stage takes batches and emits the parameters after every step. The tables show live memory: copy what you keep
 * (`copyParameters`). It fails with code `DIVERGED` when the loss of a batch is not finite.
 */
export function gradientStep<L extends z.ZodRawShape>({ name, summary, learner, example }: GradientStepSpec<L>) {
  const options = z.strictObject({ ...common, ...learner.options.shape })
  return defineStage({
    name,
    summary,
    options,
    inputs: { batches: wire.batch },
    outputs: { parameters: wire.parameters },
    learner,
    example,
    holds: 'the parameters and their gradient; in a divided run a gradient per shard',
    parallel: 'every',
    run: (given, context) => (batches) =>
      defer(() => {
        const all = given as TrainingOptions & Readonly<Record<string, unknown>>
        const own = Object.fromEntries(Object.keys(learner.options.shape).map((key) => [key, all[key]]))
        const trainer = makeTrainer({ learner, own, options: all, rule: sgd }, context)
        return batches.pipe(context.flow.concatMap<Table, Table>(trainer.train), finalize(trainer.free))
      }),
  })
}
