import type { Table } from 'apache-arrow'
import { concatMap, defer, filter, finalize, ignoreElements, map, merge, shareReplay, tap, toArray } from 'rxjs'
import { z } from 'zod'
import { piecesOf, sumOfMagnitudes } from '../../learners/index.js'
import {
  type AnyLearner,
  type ArraySpec,
  arraysOf,
  checkLearner,
  checkSplit,
  countRows,
  defineStage,
  type Facts,
  isDueAt,
  type MetricInfo,
  metricsTable,
  modelOf,
  type OpenModel,
  openModel,
  type Parallel,
  PipelineError,
  type Position,
  positionOf,
  type Rows,
  rowsByShard,
  type StageContext,
  splitOf,
  type TrainingInterval,
  toInterval,
  trainingInterval,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'

const options = z.strictObject({
  splits: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('The splits to evaluate, in the order of the columns. Default: all.'),
  every: trainingInterval
    .default('epoch')
    .describe('How often: epoch, "5 epochs", "500 steps", { epochs: n } or { steps: n }; always after the last step.'),
})

type Options = z.output<typeof options>

/**
 * Evaluates the parameters on whole splits. The learner that made the parameters defines the metrics. The softmax
 * classifier has for each split: `loss`, the mean cross-entropy; `cost`, the loss plus `lambda · Σ W²`; `accuracy`, the
 * share of rows whose most probable class is their label (0 … 1).
 */
export const classification = defineStage({
  name: 'evaluate/classification',
  summary: 'Computes loss, cost and accuracy on whole splits as training goes on.',
  options,
  inputs: { parameters: wire.parameters, examples: wire.examples },
  outputs: { metrics: wire.metrics },
  metrics: ['loss', 'cost', 'accuracy'],
  example:
    '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n' +
    '  with: { splits: [train, test], every: epoch }',
  holds: 'the examples (by reference), one evaluation in flight',
  parallel: 'every',
  onResume: { every: 'rest' },
  facts: ({ options, inputs, problem }) => {
    const { examples = {}, parameters = {} } = inputs
    for (const [i, split] of (options.splits ?? []).entries()) checkSplit(examples, split, `splits[${i}]`, problem)
    checkLearner(parameters, problem)
    checkFit(parameters, examples, (message) => problem('', message))
    const splits = options.splits ?? examples.splits
    const metrics = parameters.learner && splits && columnsOf(parameters.learner, splits)
    return { metrics: { splits: splits ?? [], ...(metrics && { metrics }) } }
  },
  run:
    (options, context) =>
    ({ parameters, examples }) =>
      defer(() => {
        const evaluator = makeEvaluator(options, context)
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
          filter((table) => isDue(table, every)),
          context.flow.concatMap((table) => {
            const measure = evaluator.take(table)
            return arrived ? measure(arrived) : held.pipe(concatMap(measure))
          }, 'parameters'),
        )
        return merge(held.pipe(ignoreElements()), due).pipe(finalize(evaluator.free))
      }),
})

/** The names of the columns, split by split. */
function columnsOf({ metrics }: AnyLearner, splits: readonly string[]): string[] {
  return splits.flatMap((split) => metrics.map(({ name }) => `${split}_${name}`))
}

/** Reports parameters that do not fit the examples. */
function checkFit(parameters: Facts, examples: Facts, problem: (message: string) => void): void {
  const width = ({ shape }: Facts): number | undefined => shape && widthOf(shape)
  const [trained, given] = [width(parameters), width(examples)]
  if (trained !== undefined && given !== undefined && trained !== given)
    problem(`the parameters are for ${trained} features, the examples have ${given}`)
  if (parameters.classes && examples.classes && parameters.classes.length !== examples.classes.length)
    problem(`the parameters are for ${parameters.classes.length} classes, the examples have ${examples.classes.length}`)
}

type Splits = ReadonlyMap<string, readonly (readonly Rows[])[]>

/** The rows of each split, by the shards of this process. */
function bySplit(tables: readonly Table[], context: StageContext): Splits {
  const splits = new Map<string, Table[]>()
  for (const table of tables) splits.set(splitOf(table), [...(splits.get(splitOf(table)) ?? []), table])
  return new Map([...splits].map(([split, parts]) => [split, rowsByShard(parts, split, context.parallel)]))
}

/** Whether parameters are to be evaluated: at the end of each interval, and after the last step. */
function isDue(table: Table, every: TrainingInterval): boolean {
  const position = positionOf(table)
  return position.step === position.epochs * position.steps || isDueAt(every, position)
}

/** The rows of a split or of one shard, which have sums of their own, in pieces for one kernel call each. */
interface Part {
  readonly pieces: readonly Rows[]
  readonly count: number
}

/** The columns and the rows of a split, prepared once for all evaluations. */
interface Plan {
  readonly split: string
  readonly columns: readonly string[]
  readonly parts: readonly Part[]
}

/** Sums over rows, as the learner's metrics take them. The last entry is the number of rows. */
type Sums = number[]

/** The learner and its model, opened when the first parameters arrive. */
interface Scorer {
  readonly learner: AnyLearner
  readonly model: OpenModel
  readonly features: number
  readonly specs: readonly ArraySpec[]
}

const noRows: Rows = { values: new Float32Array(0), labels: new Int32Array(0) }

function makeEvaluator(options: Options, context: StageContext) {
  const { kernels, flow, parallel } = context
  let scorer: Scorer | undefined
  let plans: readonly Plan[] | undefined
  let infos: Readonly<Record<string, MetricInfo>> = {}

  /** Copies the parameters when they arrive, because the examples may arrive later, after further training steps. */
  function take(table: Table): (splits: Splits) => Promise<Table> {
    const position = positionOf(table)
    const parameters = modelOf(table)
    scorer ??= opened(parameters)
    const { learner, model } = scorer
    model.load(arraysOf(parameters))
    const weighed = model.penalty()
    const { l1 = 0, lambda } = parameters
    const magnitudes = l1 > 0 ? l1 * sumOfMagnitudes(arraysOf(parameters), scorer.specs) : 0
    return async (splits) => {
      plans ??= planned(scorer!, splits)
      const penalty = lambda * (weighed instanceof Promise ? await weighed : weighed) + magnitudes
      return tabled(learner, await sumsOf(model, plans), penalty, position)
    }
  }

  function opened({ learner: name, options, shape, classes }: ReturnType<typeof modelOf>): Scorer {
    const learner = context.learner(name, options)
    const data = { features: widthOf(shape), classes: classes.length }
    const specs = learner.arrays(data, options)
    return { learner, specs, features: data.features, model: openModel(learner, kernels, data, options) }
  }

  function planned({ learner, model, features }: Scorer, splits: Splits): Plan[] {
    const names = options.splits ?? [...splits.keys()]
    if (names.length === 0) throw new PipelineError('DATA', 'no examples arrived to evaluate')
    infos = infosOf(learner, names)
    return names.map((split) => {
      const parts = splits.get(split) ?? [[]]
      return {
        split,
        columns: columnsOf(learner, [split]),
        parts: parts.map((part) => {
          const pieces = part.flatMap((rows) => [...piecesOf(rows, split, features, model)])
          // A part without rows must have as many sums as other parts, all zero.
          return { pieces: pieces.length > 0 ? pieces : [noRows], count: countRows(part) }
        }),
      }
    })
  }

  /** The sums of every split, part by part. */
  async function sumsOf(model: OpenModel, plans: readonly Plan[]): Promise<Sums[][]> {
    const sums: Sums[][] = []
    for (const { parts } of plans) {
      const own: Sums[] = []
      for (const { pieces, count } of parts) {
        const total: Sums = []
        for (const rows of pieces) {
          const evaluated = model.evaluate(rows)
          addTo(total, evaluated instanceof Promise ? await evaluated : evaluated)
          const pause = flow.yieldToEventLoop()
          if (pause) await pause
        }
        own.push([...total, count])
      }
      sums.push(own)
    }
    return gathered(sums, parallel)
  }

  /** The metrics of all splits, from the sums of their parts. */
  function tabled(learner: AnyLearner, sums: readonly Sums[][], penalty: number, position: Position): Table {
    const metrics: Record<string, number> = {}
    for (const [i, { split, columns }] of plans!.entries()) {
      const total: Sums = []
      for (const part of sums[i]!) addTo(total, part)
      const count = total.pop() ?? 0
      if (count === 0) throw new PipelineError('DATA', `the split "${split}" has no rows to evaluate`)
      for (const [j, { value }] of learner.metrics.entries()) metrics[columns[j]!] = value(total, count, penalty)
    }
    return metricsTable(position, metrics, infos)
  }

  return { take, free: () => scorer?.model.free() }
}

/** The metadata of the columns. */
function infosOf(learner: AnyLearner, splits: readonly string[]): Record<string, MetricInfo> {
  const entries = splits.flatMap((split) =>
    learner.metrics.map(({ name, title, unit, better }): [string, MetricInfo] => [
      `${split}_${name}`,
      { split, name, title, ...(unit && { unit }), ...(better && { better }) },
    ]),
  )
  return Object.fromEntries(entries)
}

function addTo(total: Sums, more: readonly number[]): void {
  for (let i = 0; i < more.length; i++) total[i] = (total[i] ?? 0) + more[i]!
}

/** The sums of all shards, by split. Every rank sends its sums to all ranks. */
async function gathered(sums: readonly (readonly Sums[])[], parallel: Parallel): Promise<Sums[][]> {
  const own = parallel.own.map((_, i) => Float64Array.from(sums.flatMap((shards) => shards[i]!)))
  const all = await parallel.gather(own)
  const width = sums[0]![0]!.length
  return sums.map((_, split) => all.map((vector) => [...vector.subarray(split * width, (split + 1) * width)]))
}
