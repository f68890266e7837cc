import type { Table } from 'apache-arrow'
import { concat, defer, finalize } from 'rxjs'
import { classWeightsProblem, updateRule } from '../../learners/index.js'
import { defineStage, type Learner, learnerWith, ownOptionsOf, storedFile, wire, z } from '../../pipeline/stage-kit.js'
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
  const options = z.strictObject({ ...common, ...learner.options.shape }).superRefine((given, { addIssue }) => {
    // What the learner says about its options together; the options one by one have been checked.
    for (const { code, path, message } of learner.options.safeParse(ownOptionsOf(learner, given)).error?.issues ?? [])
      if (code === 'custom') addIssue({ code, path, message })
  })
  return defineStage({
    name,
    summary,
    options,
    inputs: { batches: wire.batch },
    outputs: { parameters: wire.parameters },
    learner,
    answers: ['start', 'gradientNorm', 'arrays'],
    asks: () => ({ batches: { borrowed: true } }),
    watches: (given) => {
      const { eta } = given as unknown as TrainingOptions
      return typeof eta === 'object' && 'plateau' in eta
        ? { metric: eta.plateau.metric, option: 'eta.plateau.metric' }
        : undefined
    },
    example,
    holds: 'the parameters and their gradient; in a divided run a gradient per shard',
    parallel: 'every',
    onResume: { eta: 'rest', lambda: 'rest', l1: 'rest', clip: 'rest', onDivergence: 'rest' },
    facts: ({ options: given, inputs: { batches = {} }, problem }) => {
      const all = given as unknown as TrainingOptions & Readonly<Record<string, unknown>>
      const { classWeights } = all
      if (classWeights && !learner.weighsRows)
        problem('classWeights', `the learner "${learner.name}" does not weigh rows; leave classWeights out`)
      else if (classWeights && batches.classes) {
        const wrong = classWeightsProblem(classWeights, batches.classes)
        if (wrong) problem(`classWeights${wrong.path}`, wrong.message)
      }
      if (batches.weighted && !learner.weighsRows)
        problem(
          '',
          `the rows have weights, and the learner "${learner.name}" does not weigh rows; load them without weights`,
        )
      return { parameters: { ...batches, learner: learnerWith(learner, ownOptionsOf(learner, all)) } }
    },
    sources: (given) => {
      const { init } = given as unknown as TrainingOptions
      return typeof init === 'object' && 'from' in init ? [storedFile(init.from)] : []
    },
    run: (given, context) => (batches) =>
      defer(() => {
        const all = given as TrainingOptions & Readonly<Record<string, unknown>>
        const trainer = makeTrainer(
          { learner, own: ownOptionsOf(learner, all), options: all, rule: updateRule(all.update) },
          context,
        )
        const steps = batches.pipe(context.flow.concatMap<Table, Table>(trainer.train))
        return concat(steps, defer(trainer.finish)).pipe(finalize(trainer.free))
      }),
  })
}
