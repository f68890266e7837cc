import type { Table } from 'apache-arrow'
import { concatMap, defer, filter, finalize, ignoreElements, map, merge, shareReplay, tap, toArray } from 'rxjs'
import { z } from 'zod'
import {
  checkLearner,
  checkSplit,
  counted,
  defineStage,
  type Facts,
  isDueAt,
  positionOf,
  rowsOrSourcesByShard,
  type StageContext,
  splitOf,
  type TrainingInterval,
  toInterval,
  trainingInterval,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { columnsOf, makeEvaluator, type Splits } from './evaluator.js'
import { checkFurther, columnsOfFurther, furtherOption, needsClasses } from './further-metrics.js'
import type { SeeRow } from './further-scores.js'

const options = z.strictObject({
  splits: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('The splits to evaluate, in the order of the columns. Default: all.'),
  every: trainingInterval
    .default('epoch')
    .describe('How often: epoch, "5 epochs", "500 steps", { epochs: n } or { steps: n }; always after the last step.'),
  metrics: furtherOption,
  start: z
    .boolean()
    .default(false)
    .describe('Whether the model is also evaluated before its first step, as step 0 of epoch 0.'),
})

type Options = z.output<typeof options>

/** The stage; `see` gets the label and the predicted class of each row, see `Evaluated`. */
export const classificationSeen = (see: SeeRow | undefined) =>
  defineStage({
    name: 'evaluate/classification',
    summary: 'Computes loss, cost, accuracy and other metrics on whole splits as training goes on.',
    options,
    inputs: { parameters: wire.parameters, examples: wire.examples },
    outputs: { metrics: wire.metrics },
    metrics: ['loss', 'cost', 'accuracy'],
    example:
      '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n' +
      '  with: { splits: [train, test], every: epoch, metrics: [balanced_accuracy, auc, { topK: 3 }] }',
    holds:
      'the examples (by reference; of splits in a file two windows), one evaluation in flight; for auc 8 bytes per row and class of a split, in a divided run ' +
      'of all its shards',
    parallel: 'every',
    onResume: { every: 'rest' },
    asks: ({ start, every }) => ({ parameters: { ...(start && { start }), arrays: toInterval(every) } }),
    facts: ({ options, inputs, problem }) => {
      const { examples = {}, parameters = {} } = inputs
      for (const [i, split] of (options.splits ?? []).entries()) checkSplit(examples, split, `splits[${i}]`, problem)
      checkLearner(parameters, problem)
      checkFit(parameters, examples, (message) => problem('', message))
      checkFurther(options.metrics, parameters.learner, parameters.classes ?? examples.classes, problem)
      const splits = options.splits ?? examples.splits
      const metrics = splits && knownColumns(options, inputs, splits)
      return { metrics: { splits: splits ?? [], ...(metrics && { metrics }) } }
    },
    run:
      (options, context) =>
      ({ parameters, examples }) =>
        defer(() => {
          const evaluator = makeEvaluator({ ...options, see }, context)
          const every = toInterval(options.every)
          let arrived: Splits | undefined
          const held = examples.pipe(
            toArray(),
            map((tables) => bySplit(tables, context)),
            tap((splits) => {
              arrived = splits
            }),
            shareReplay(1),
          )
          const due = parameters.pipe(
            filter((table) => isDue(table, every, options.start)),
            context.flow.concatMap((table) => {
              const measure = evaluator.take(table)
              return arrived ? measure(arrived) : held.pipe(concatMap(measure))
            }, 'parameters'),
          )
          return merge(held.pipe(ignoreElements()), due).pipe(finalize(evaluator.free))
        }),
  })

/**
 * Evaluates the parameters on whole splits. The learner that made the parameters defines the first metrics. The softmax
 * classifier has for each split: `loss`, the mean cross-entropy; `cost`, the loss plus `lambda · Σ W²`; `accuracy`, the
 * share of rows whose most probable class is their label (0 … 1).
 *
 * The option `metrics` adds others behind them, which are computed from the scores of all rows in float64; `docs/training.md`
 * has their definitions. The results do not depend on the number of threads.
 */
export const classification = classificationSeen(undefined)

/** The names of the columns, as far as they are known before the run. */
function knownColumns(
  { metrics }: Options,
  { parameters = {}, examples = {} }: Readonly<Record<string, Facts>>,
  splits: readonly string[],
): string[] | undefined {
  const { learner, classes = examples.classes } = parameters
  if (!learner || (needsClasses(metrics) && !classes)) return undefined
  const further = metrics.flatMap((metric) => columnsOfFurther(metric, classes ?? []))
  return columnsOf([...learner.metrics, ...further], splits)
}

/** Reports parameters that do not fit the examples. */
function checkFit(parameters: Facts, examples: Facts, problem: (message: string) => void): void {
  const width = ({ shape }: Facts): number | undefined => shape && widthOf(shape)
  const [trained, given] = [width(parameters), width(examples)]
  if (trained !== undefined && given !== undefined && trained !== given)
    problem(`the parameters are for ${counted(trained, 'feature')}, the examples have ${given}`)
  if (parameters.classes && examples.classes && parameters.classes.length !== examples.classes.length)
    problem(
      `the parameters are for ${counted(parameters.classes.length, 'class')}, the examples have ${examples.classes.length}`,
    )
}

/** The rows of each split, by the shards of this process. */
function bySplit(tables: readonly Table[], context: StageContext): Splits {
  const splits = new Map<string, Table[]>()
  for (const table of tables) splits.set(splitOf(table), [...(splits.get(splitOf(table)) ?? []), table])
  return new Map([...splits].map(([split, parts]) => [split, rowsOrSourcesByShard(parts, split, context.parallel)]))
}

/** Whether parameters are to be evaluated: at the end of each interval, after the last step, and before the first. */
function isDue(table: Table, every: TrainingInterval, atStart: boolean): boolean {
  const position = positionOf(table)
  const last = position.epochs * position.steps
  if (position.step === 0 && last > 0) return atStart
  return position.step === last || isDueAt(every, position)
}
