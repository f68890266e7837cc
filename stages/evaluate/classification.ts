import type { Table } from 'apache-arrow'
import { concatMap, defer, filter, finalize, ignoreElements, map, merge, shareReplay, tap, toArray } from 'rxjs'
import { z } from 'zod'
import type { Rows, Softmax } from '../../kernels/index.js'
import {
  checkSplit,
  defineStage,
  endsEpoch,
  type Facts,
  metricsTable,
  modelOf,
  type Parallel,
  PipelineError,
  type Position,
  positionOf,
  rowsByShard,
  type StageContext,
  softmaxParameters,
  splitOf,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { piecesOf } from '../pieces.js'

const options = z.strictObject({
  splits: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('The splits to evaluate, in the order of the columns. Default: all.'),
  every: z
    .union([
      z.literal('epoch'),
      z.strictObject({ epochs: z.int().positive().describe('Epochs between evaluations.') }),
      z.strictObject({ steps: z.int().positive().describe('Steps between evaluations.') }),
    ])
    .default('epoch')
    .describe('When: epoch, { epochs: n } or { steps: n }; always after the last step.'),
})

type Options = z.output<typeof options>

/**
 * Evaluates the parameters on whole splits. For each split: `loss`, the mean cross-entropy; `cost`, the loss plus
 * `lambda · Σ W²`; `accuracy`, the share of rows whose most probable class is their label (0 … 1).
 */
export const classification = defineStage({
  name: 'evaluate/classification',
  summary: 'Computes loss, cost and accuracy on whole splits as training goes on.',
  options,
  inputs: { parameters: wire.parameters, examples: wire.examples },
  outputs: { metrics: wire.metrics },
  metrics: ['loss', 'cost', 'accuracy'],
  example:
    '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n  with: { splits: [train, test], every: epoch }',
  holds: 'the examples (by reference), one evaluation in flight',
  parallel: 'every',
  facts: ({ options, inputs, problem }) => {
    const { examples = {}, parameters = {} } = inputs
    for (const [i, split] of (options.splits ?? []).entries()) checkSplit(examples, split, `splits[${i}]`, problem)
    checkFit(parameters, examples, (message) => problem('', message))
    return { metrics: { splits: options.splits ?? examples.splits ?? [] } }
  },
  run:
    (options, context) =>
    ({ parameters, examples }) =>
      defer(() => {
        const evaluator = makeEvaluator(options, context)
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
          filter((table) => isDue(table, options.every)),
          context.flow.concatMap((table) => {
            const measure = evaluator.take(table)
            return arrived ? measure(arrived) : held.pipe(concatMap(measure))
          }, 'parameters'),
        )
        return merge(held.pipe(ignoreElements()), due).pipe(finalize(evaluator.free))
      }),
})

/** The model must take what the examples are. */
function checkFit(parameters: Facts, examples: Facts, problem: (message: string) => void): void {
  const width = ({ shape }: Facts): number | undefined => shape && widthOf(shape)
  const [trained, given] = [width(parameters), width(examples)]
  if (trained !== undefined && given !== undefined && trained !== given)
    problem(`the parameters are for ${trained} features, the examples have ${given}`)
  if (parameters.classes && examples.classes && parameters.classes.length !== examples.classes.length)
    problem(`the parameters are for ${parameters.classes.length} classes, the examples have ${examples.classes.length}`)
}

type Splits = ReadonlyMap<string, readonly Rows[]>

/** The rows of each split: of each of its tables, or of each shard held here. */
function bySplit(tables: readonly Table[], context: StageContext): Splits {
  const splits = new Map<string, Table[]>()
  for (const table of tables) splits.set(splitOf(table), [...(splits.get(splitOf(table)) ?? []), table])
  return new Map([...splits].map(([split, parts]) => [split, rowsByShard(parts, split, context)]))
}

function isDue(table: Table, every: Options['every']): boolean {
  const position = positionOf(table)
  if (position.step === position.epochs * position.steps) return true
  if (every === 'epoch') return endsEpoch(position)
  return 'steps' in every
    ? position.step % every.steps === 0
    : endsEpoch(position) && position.epoch % every.epochs === 0
}

/** Sums over rows: their cross-entropy, how many were classified rightly, how many there are. */
interface Sums {
  loss: number
  correct: number
  readonly count: number
}

/** Rows that are added up by themselves: all of a split, or those of one shard. In pieces of one kernel call each. */
interface Part {
  readonly pieces: readonly Rows[]
  readonly count: number
}

/** What is evaluated time and again: by split, its columns of metrics and its parts. */
interface Plan {
  readonly split: string
  readonly columns: readonly [loss: string, cost: string, accuracy: string]
  readonly parts: readonly Part[]
}

function makeEvaluator(options: Options, { kernels, flow, parallel }: StageContext) {
  let classifier: Softmax | undefined
  let plans: readonly Plan[] | undefined

  /** Copies the parameters as they are when they come: the examples may come later, when the model has moved on. */
  function take(table: Table): (splits: Splits) => Promise<Table> {
    const position = positionOf(table)
    const model = modelOf(table)
    const taken = classifier ?? kernels.softmax(widthOf(model.shape), model.classes.length)
    classifier = taken
    taken.load(softmaxParameters(model))
    const penalty = model.lambda * taken.penalty()
    return (splits) => {
      plans ??= planned(taken, splits)
      return evaluate(taken, penalty, position, plans)
    }
  }

  function planned(classifier: Softmax, splits: Splits): Plan[] {
    const names = options.splits ?? [...splits.keys()]
    if (names.length === 0) throw new PipelineError('DATA', 'no examples arrived to evaluate')
    return names.map((split) => {
      const rows = splits.get(split) ?? []
      const parts = parallel ? rows.map((shard) => [shard]) : [rows]
      return {
        split,
        columns: [`${split}_loss`, `${split}_cost`, `${split}_accuracy`],
        parts: parts.map((part) => ({
          pieces: part.flatMap((rows) => [...piecesOf(rows, split, classifier, kernels)]),
          count: part.reduce((sum, { labels }) => sum + labels.length, 0),
        })),
      }
    })
  }

  async function evaluate(
    classifier: Softmax,
    penalty: number,
    position: Position,
    plans: readonly Plan[],
  ): Promise<Table> {
    const sums: Sums[][] = []
    for (const { parts } of plans) {
      const own: Sums[] = []
      for (const { pieces, count } of parts) {
        const total = { loss: 0, correct: 0, count }
        for (const rows of pieces) {
          const { loss, correct } = classifier.evaluate(rows)
          total.loss += loss
          total.correct += correct
          const pause = flow.yieldToEventLoop()
          if (pause) await pause
        }
        own.push(total)
      }
      sums.push(own)
    }
    return tabled(parallel ? await gathered(sums, parallel) : sums, penalty, position, plans)
  }

  return { take, free: () => classifier?.free() }
}

/** The sums of all shards, by split: what every rank has is sent to every rank. */
async function gathered(sums: readonly (readonly Sums[])[], parallel: Parallel): Promise<Sums[][]> {
  const own = parallel.own.map((_, i) =>
    Float64Array.from(
      sums.flatMap((shards) => {
        const { loss, correct, count } = shards[i]!
        return [loss, correct, count]
      }),
    ),
  )
  const all = await parallel.gather(own)
  return sums.map((_, split) =>
    all.map((vector) => {
      const [loss, correct, count] = vector.subarray(3 * split)
      return { loss: loss!, correct: correct!, count: count! }
    }),
  )
}

/** The metrics of all splits, from the sums of their parts. */
function tabled(sums: readonly Sums[][], penalty: number, position: Position, plans: readonly Plan[]): Table {
  const metrics: Record<string, number> = {}
  for (const [i, { split, columns }] of plans.entries()) {
    const { loss, correct, count } = added(sums[i]!)
    if (count === 0) throw new PipelineError('DATA', `the split "${split}" has no rows to evaluate`)
    metrics[columns[0]] = loss / count
    metrics[columns[1]] = loss / count + penalty
    metrics[columns[2]] = correct / count
  }
  return metricsTable(position, metrics)
}

function added(sums: readonly Sums[]): Sums {
  return sums.reduce((total, next) => ({
    loss: total.loss + next.loss,
    correct: total.correct + next.correct,
    count: total.count + next.count,
  }))
}
