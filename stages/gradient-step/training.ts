import type { Table } from 'apache-arrow'
import { defer, finalize } from 'rxjs'
import { updateRule } from '../../learners/index.js'
import { defineStage, type Learner, storedFile, wire, z } from '../../pipeline/stage-kit.js'
import { common, type TrainingOptions } from './options.js'
import { makeTrainer } from './trainer.js'

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
 * Makes a training stage. It combines a learner with an update rule and a schedule of the learning rate. The options of the learner become options of the stage.
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
    answers: ['start', 'gradientNorm'],
    watches: (given) => {
      const { eta } = given as unknown as TrainingOptions
      return typeof eta === 'object' && 'plateau' in eta
        ? { metric: eta.plateau.metric, option: 'eta.plateau.metric' }
        : undefined
    },
    example,
    holds: 'the parameters and their gradient; in a divided run a gradient per shard',
    parallel: 'every',
    onResume: { eta: 'rest', lambda: 'rest', clip: 'rest', onDivergence: 'rest' },
    sources: (given) => {
      const { init } = given as unknown as TrainingOptions
      return typeof init === 'object' && 'from' in init ? [storedFile(init.from)] : []
    },
    run: (given, context) => (batches) =>
      defer(() => {
        const all = given as TrainingOptions & Readonly<Record<string, unknown>>
        const own = Object.fromEntries(Object.keys(learner.options.shape).map((key) => [key, all[key]]))
        const trainer = makeTrainer({ learner, own, options: all, rule: updateRule(all.update) }, context)
        return batches.pipe(context.flow.concatMap<Table, Table>(trainer.train), finalize(trainer.free))
      }),
  })
}
