import type { AnyLearner, Numbers, OpenModel, Rows, StageContext } from '../../pipeline/stage-kit.js'
import { type ColumnInfo, columnsOfFurther, type Further, talliedMetrics } from './further-metrics.js'
import { emptyRanking, macroAuc, mostRows, type Ranking } from './ranking.js'
import { emptyRow, forEachScored, type Tally } from './scored-rows.js'

/** The rows of a split or of one shard, which have sums of their own, in pieces for one kernel call each. */
export interface Part {
  /** The pieces, in the order of the rows. */
  readonly pieces: Iterable<Rows> | AsyncIterable<Rows>
  /** Number of rows. */
  readonly count: number
}

/** What the metrics of a split are computed from. */
export interface Scores {
  /** The sums of each part. */
  readonly sums: readonly Float64Array[]
  /** The sums of the learner's metrics of each part, if they were computed from the same scores. */
  readonly own?: readonly (readonly number[])[]
  /** The AUC of the whole split on all ranks, if it is wanted. */
  readonly auc?: number
}

/** Computes metrics beside those of the learner, from the scores of every row. */
export interface FurtherScorer {
  /** The columns of each split. */
  readonly columns: readonly ColumnInfo[]
  /** Number of sums of a part. */
  readonly size: number
  /** Scores all rows of a split. Every rank must call it. */
  score(model: OpenModel, parts: readonly Part[]): Promise<Scores>
  /** The values of the columns, from the sums over all parts, their number of rows, and the AUC. */
  values(sums: readonly number[], rows: number, auc: number | undefined): readonly number[]
}

/** Takes the label and the predicted class of a row. */
export type SeeRow = (label: number, predicted: number) => void

/**
 * Makes the scorer of some metrics.
 *
 * @param see gets each row. Then the sums of the learner come from the same scores, if it can do that
 */
export function furtherScorer(
  chosen: readonly Further[],
  { scores }: Pick<AnyLearner, 'scores'>,
  classNames: readonly string[],
  { kernels, flow, parallel }: Pick<StageContext, 'kernels' | 'flow' | 'parallel'>,
  see?: SeeRow,
): FurtherScorer {
  const classes = classNames.length
  const isLogits = scores === 'logits'
  const isRanked = chosen.includes('auc')
  const metrics = talliedMetrics(chosen, classes)
  const starts = new Map<Tally, number>()
  let size = 0
  for (const metric of metrics) {
    if (!metric || starts.has(metric.tally)) continue
    starts.set(metric.tally, size)
    size += metric.tally.size
  }
  const tallies = [...starts]
  const row = emptyRow(classes)
  const pause = (): Promise<void> | undefined => flow.yieldToEventLoop()
  let room: Numbers = new Float32Array(0)

  /** The scores of some rows; the next call overwrites them. */
  async function scored(model: OpenModel, rows: Rows): Promise<Numbers> {
    const length = rows.labels.length * classes
    if (room.length < length) room = new (kernels.precision === 'float64' ? Float64Array : Float32Array)(length)
    const scores = room.subarray(0, length)
    await model.scores(rows, scores)
    return scores
  }

  async function addPart(
    model: OpenModel,
    { pieces }: Part,
    ranking: Ranking | undefined,
    own: number[] | undefined,
  ): Promise<Float64Array> {
    const sums = new Float64Array(size)
    for await (const rows of pieces) {
      if (rows.labels.length === 0) continue
      const scores = await scored(model, rows)
      forEachScored(scores, rows.labels, row, isLogits, (row) => {
        for (const [tally, at] of tallies) tally.add(sums, at, row)
        ranking?.add(row)
        see?.(row.label, row.predicted)
      })
      if (own) for (const [i, sum] of model.evaluateScores!(scores, rows.labels).entries()) own[i] = (own[i] ?? 0) + sum
      const wait = pause()
      if (wait) await wait
    }
    return sums
  }

  async function score(model: OpenModel, parts: readonly Part[]): Promise<Scores> {
    const most = isRanked ? await mostRows(parts, parallel) : 0
    const sums: Float64Array[] = []
    const rankings: Float64Array[] = []
    const own: number[][] = []
    const isOnce = see !== undefined && model.evaluateScores !== undefined
    for (const [i, part] of parts.entries()) {
      const ranking = isRanked ? emptyRanking(most, classes, isLogits) : undefined
      if (isOnce) own.push([])
      sums.push(await addPart(model, part, ranking, own[i]))
      if (ranking) rankings.push(ranking.values)
    }
    const scores = { sums, ...(isOnce && { own }) }
    if (!isRanked) return scores
    return { ...scores, auc: await macroAuc(await parallel.gather(rankings), classes, pause) }
  }

  function values(sums: readonly number[], rows: number, auc: number | undefined): number[] {
    const all = Float64Array.from(sums)
    return metrics.flatMap((metric) => {
      if (!metric) return [auc ?? Number.NaN]
      const at = starts.get(metric.tally)!
      return [...metric.values(all.subarray(at, at + metric.tally.size), rows)]
    })
  }

  return { columns: chosen.flatMap((metric) => columnsOfFurther(metric, classNames)), size, score, values }
}
