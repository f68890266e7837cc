import type { Table } from 'apache-arrow'
import { forkJoin, map, type Observable, toArray } from 'rxjs'
import { z } from 'zod'
import { rowsPerCall } from '../../kernels/index.js'
import {
  type Checking,
  copyParameters,
  layoutOf,
  listed,
  modelOf,
  PipelineError,
  rowsByShard,
  type StageContext,
  softmaxParameters,
  splitOf,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { piecesOf } from '../pieces.js'
import { onlyLast } from '../sink/only-last.js'
import { ofAllRanks } from './predicted-everywhere.js'

/** What the last parameters say about each row of a split. */
export interface Predicted {
  readonly split: string
  readonly classes: readonly string[]
  readonly shape: readonly number[]
  readonly labels: Int32Array
  /** The most probable class of each row, the first of equals. */
  readonly predicted: Int32Array
  /** Its probability, 0 … 1; 0 where the logits are no numbers. */
  readonly probability: Float64Array
  /**
   * The raw features of these rows, one array each. In a divided run they come from the ranks that hold them: all ranks
   * must ask, for the same rows.
   */
  features(rows: readonly number[]): Promise<(Uint8Array | Float32Array)[]>
}

export const splitOption = z
  .string()
  .min(1)
  .optional()
  .describe('The split to look at. Default: test, or the last one where there is no test.')

/** A split that is asked for must be there. */
export function checkSplit({ options, inputs, problem }: Checking<{ split?: string | undefined }>): void {
  const splits = inputs.examples?.splits
  if (options.split !== undefined && splits && !splits.includes(options.split))
    problem('split', `no split named "${options.split}" reaches this stage; it has ${listed(splits, 'and')}`)
}

/** Classifies one split once, with the parameters the run ends with. Emits nothing where nothing was trained, or where the run was stopped. */
export function predictedAtEnd(
  context: StageContext,
  split: string | undefined,
): (inputs: { parameters: Observable<Table>; examples: Observable<Table> }) => Observable<Predicted> {
  return ({ parameters, examples }) =>
    forkJoin([parameters.pipe(onlyLast(), map(copyParameters)), examples.pipe(toArray())]).pipe(
      context.flow.concatMap(([last, tables]) =>
        context.signal.aborted ? [] : classified(last, tables, split, context),
      ),
    )
}

async function classified(
  last: Table,
  tables: readonly Table[],
  asked: string | undefined,
  context: StageContext,
): Promise<Predicted> {
  const { kernels, flow, parallel } = context
  const splits = tables.map(splitOf)
  const split = asked ?? (splits.includes('test') ? 'test' : splits.at(-1))
  const chosen = tables.filter((table) => splitOf(table) === split && (parallel || table.numRows > 0))
  if (split === undefined) throw new PipelineError('DATA', 'no examples arrived to classify')
  if (chosen.length === 0) throw new PipelineError('DATA', `the split "${split}" has no rows to classify`)
  const model = modelOf(last)
  const features = widthOf(model.shape)
  const classes = model.classes.length
  const parts = rowsByShard(chosen, split, context)
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0)
  const [labels, predicted] = [new Int32Array(count), new Int32Array(count)]
  const probability = new Float64Array(count)
  const classifier = kernels.softmax(features, classes)
  try {
    classifier.load(softmaxParameters(model))
    const Numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
    const room = new Numbers(rowsPerCall(kernels, classifier) * classes)
    let row = 0
    for (const part of parts) {
      labels.set(part.labels, row)
      for (const piece of piecesOf(part, split, classifier, kernels)) {
        const size = piece.labels.length
        const logits = room.subarray(0, size * classes)
        classifier.logits(piece, logits)
        for (let i = 0; i < size; i++) {
          const [best, share] = mostProbable(logits, i * classes, classes)
          predicted[row] = best
          probability[row++] = share
        }
        await flow.yieldToEventLoop()
      }
    }
  } finally {
    classifier.free()
  }
  const { shape } = layoutOf(chosen[0]!)
  const own = { split, classes: model.classes, shape, labels, predicted, probability }
  if (parallel) return ofAllRanks(own, parts, features, parallel)
  return { ...own, features: async (rows) => rows.map(valuesOf) }

  function valuesOf(row: number): Uint8Array | Float32Array {
    for (const { values, labels } of parts) {
      if (row < labels.length) return values.subarray(row * features, (row + 1) * features)
      row -= labels.length
    }
    throw new RangeError(`the split has no row ${row}`)
  }
}

function mostProbable(logits: ArrayLike<number>, at: number, classes: number): [best: number, probability: number] {
  let best = 0
  for (let k = 1; k < classes; k++) if (logits[at + k]! > logits[at + best]!) best = k
  let sum = 0
  for (let k = 0; k < classes; k++) sum += Math.exp(logits[at + k]! - logits[at + best]!)
  return [best, Number.isNaN(sum) ? 0 : 1 / sum]
}
