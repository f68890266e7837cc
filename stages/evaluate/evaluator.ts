import type { Table } from 'apache-arrow'
import { piecesInFile, piecesOf, sumOfMagnitudes } from '../../learners/index.js'
import {
  type AnyLearner,
  type ArraySpec,
  arraysOf,
  isInFile,
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
  type RowsOrSource,
  type StageContext,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { type ColumnInfo, checkFurther, type Further } from './further-metrics.js'
import { type FurtherScorer, furtherScorer, type Part, type SeeRow } from './further-scores.js'

/** The rows of each split, by the shards of this process. */
export type Splits = ReadonlyMap<string, readonly (readonly RowsOrSource[])[]>

/** What an evaluator is asked for. */
export interface Evaluated {
  /** The splits, in the order of the columns. Default: all that arrive. */
  readonly splits?: readonly string[] | undefined
  /** The metrics beside those of the learner. */
  readonly metrics: readonly Further[]
  /**
   * Gets the label and the predicted class of each row. Rows are then scored once for all, so that the sums of the learner may
   * differ in the last digits from those of a kernel that makes them without scores.
   */
  readonly see?: SeeRow | undefined
}

/** The columns and the rows of a split, prepared once for all evaluations. */
interface Plan {
  readonly split: string
  readonly columns: readonly string[]
  readonly parts: readonly Part[]
}

/** Sums over rows: those of the learner's metrics, those of further metrics, and last the number of rows. */
type Sums = number[]

/** The sums of every split, part by part, and what was ranked. */
interface SumsOfSplits {
  readonly sums: readonly Sums[][]
  readonly aucs: readonly (number | undefined)[]
}

/** The learner and its model, opened when the first parameters arrive. */
interface Scorer {
  readonly learner: AnyLearner
  readonly specs: readonly ArraySpec[]
  readonly model: OpenModel
  readonly features: number
  /** Left out if there is no metric beside those of the learner. */
  readonly further?: FurtherScorer
}

/** The most pieces whose sums a device still computes. */
const AHEAD = 8

const noRows: Rows = { values: new Float32Array(0), labels: new Int32Array(0) }

/** Returns `take`, which takes parameters and returns the function that evaluates them, and `free`. */
export function makeEvaluator(options: Evaluated, context: StageContext) {
  const { kernels, flow, parallel } = context
  let scorer: Scorer | undefined
  let plans: readonly Plan[] | undefined
  let infos: Readonly<Record<string, MetricInfo>> = {}

  /** Copies the parameters when they arrive, because the examples may arrive later, after further training steps. */
  function take(table: Table): (splits: Splits) => Promise<Table> {
    const position = positionOf(table)
    const parameters = modelOf(table)
    scorer ??= opened(parameters)
    const { model } = scorer
    model.load(arraysOf(parameters))
    const weighed = model.penalty()
    const { l1 = 0, lambda } = parameters
    const magnitudes = l1 > 0 ? l1 * sumOfMagnitudes(arraysOf(parameters), scorer.specs) : 0
    return async (splits) => {
      plans ??= planned(scorer!, splits)
      const penalty = lambda * (weighed instanceof Promise ? await weighed : weighed) + magnitudes
      return tabled(scorer!, await sumsOf(scorer!, plans), penalty, position)
    }
  }

  function opened({ learner: name, options: own, shape, classes }: ReturnType<typeof modelOf>): Scorer {
    const learner = context.learner(name, own)
    checkFurther(options.metrics, learner, classes, (path, message) => {
      throw new PipelineError('DATA', `${path}: ${message}`)
    })
    const data = { features: widthOf(shape), classes: classes.length }
    const needsScores = options.metrics.length > 0 || options.see !== undefined
    const further = needsScores && furtherScorer(options.metrics, learner, classes, context, options.see)
    const model = openModel(learner, kernels, data, own)
    const specs = learner.arrays(data, own)
    return { learner, specs, features: data.features, model, ...(further && { further }) }
  }

  function planned({ learner, model, features, further }: Scorer, splits: Splits): Plan[] {
    const names = options.splits ?? [...splits.keys()]
    if (names.length === 0) throw new PipelineError('DATA', 'no examples arrived to evaluate')
    const columns = [...learner.metrics, ...(further?.columns ?? [])]
    infos = infosOf(columns, names)
    return names.map((split) => {
      const parts = splits.get(split) ?? [[]]
      return {
        split,
        columns: columnsOf(columns, [split]),
        parts: parts.map((part) => {
          const count = part.reduce((sum, rows) => sum + (isInFile(rows) ? rows.rows : rows.labels.length), 0)
          const cut = (rows: Rows): Iterable<Rows> => piecesOf(rows, split, features, model)
          if (part.some(isInFile))
            return {
              pieces: { [Symbol.asyncIterator]: () => piecesInFile(part, cut, model, context.memory.window) },
              count,
            }
          const pieces = part.flatMap((rows) => [...cut({ ...(rows as Rows), isFixed: true })])
          // A part without rows must have as many sums as other parts, all zero.
          return { pieces: pieces.length > 0 ? pieces : [noRows], count }
        }),
      }
    })
  }

  async function sumsOf({ model, further }: Scorer, plans: readonly Plan[]): Promise<SumsOfSplits> {
    const sums: Sums[][] = []
    const aucs: (number | undefined)[] = []
    for (const { parts } of plans) {
      const own: Sums[] = []
      const scores = further && (await further.score(model, parts))
      aucs.push(scores?.auc)
      for (const [i, { pieces, count }] of parts.entries()) {
        own.push([...(scores?.own?.[i] ?? (await evaluated(model, pieces))), ...(scores?.sums[i] ?? []), count])
      }
      sums.push(own)
    }
    return { sums: await gathered(sums, parallel), aucs }
  }

  /** The sums of the learner over some rows. */
  async function evaluated(model: OpenModel, pieces: Part['pieces']): Promise<Sums> {
    const total: Sums = []
    const late: Promise<readonly number[]>[] = []
    for await (const rows of pieces) {
      const sums = model.evaluate(rows)
      if (!(sums instanceof Promise)) addTo(total, sums)
      else {
        late.push(sums)
        // The first to fail ends the evaluation; nothing else handles the others.
        sums.catch(() => {})
        if (late.length === AHEAD) addTo(total, await late.shift()!)
      }
      const pause = flow.yieldToEventLoop()
      if (pause) await pause
    }
    for (const sums of late) addTo(total, await sums)
    return total
  }

  /** The metrics of all splits, from the sums of their parts. */
  function tabled(
    { learner, further }: Scorer,
    { sums, aucs }: SumsOfSplits,
    penalty: number,
    position: Position,
  ): Table {
    const metrics: Record<string, number> = {}
    for (const [i, { split, columns }] of plans!.entries()) {
      const total: Sums = []
      for (const part of sums[i]!) addTo(total, part)
      const count = total.pop() ?? 0
      if (count === 0) throw new PipelineError('DATA', `the split "${split}" has no rows to evaluate`)
      const more = further ? further.values(total.splice(total.length - further.size), count, aucs[i]) : []
      const values = [...learner.metrics.map(({ value }) => value(total, count, penalty)), ...more]
      for (const [j, column] of columns.entries()) metrics[column] = values[j]!
    }
    return metricsTable(position, metrics, infos)
  }

  return { take, free: () => scorer?.model.free() }
}

/** The names of the columns, split by split. */
export function columnsOf(metrics: readonly Pick<ColumnInfo, 'name'>[], splits: readonly string[]): string[] {
  return splits.flatMap((split) => metrics.map(({ name }) => `${split}_${name}`))
}

/** The metadata of the columns. */
function infosOf(metrics: readonly ColumnInfo[], splits: readonly string[]): Record<string, MetricInfo> {
  const entries = splits.flatMap((split) =>
    metrics.map(({ name, title, unit, better }): [string, MetricInfo] => [
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
