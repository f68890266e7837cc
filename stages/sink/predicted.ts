import type { Table } from 'apache-arrow'
import { forkJoin, map, type Observable, tap, toArray } from 'rxjs'
import { z } from 'zod'
import { type Classified, classify, piecesOf } from '../../learners/index.js'
import {
  admitRows,
  arraysOf,
  type Checking,
  checkLearner,
  checkSplit,
  copyParameters,
  countRows,
  type Facts,
  layoutOf,
  modelOf,
  openModel,
  PipelineError,
  rowsByShard,
  type StageContext,
  splitOf,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { onlyLast } from './only-last.js'
import { ofAllRanks, type PredictedRows } from './predicted-rows.js'

/** The option for the split to classify. */
export const splitOption = z
  .string()
  .min(1)
  .optional()
  .describe('The split to look at. Default: test, or the last split if there is no split named test.')

/** Reports a split that the examples do not have, and parameters that cannot be scored. The sinks have no outputs to tell facts about. */
export function checkPredicting({
  options,
  inputs,
  problem,
}: Checking<{ split?: string | undefined }>): Record<never, Facts> {
  if (options.split !== undefined) checkSplit(inputs.examples ?? {}, options.split, 'split', problem)
  checkLearner(inputs.parameters, problem)
  return {}
}

/**
 * Classifies one split at the end of the run, with the final parameters. Emits nothing if no parameters arrived or the
 * run was aborted.
 */
export function predictedAtEnd(
  context: StageContext,
  split: string | undefined,
): (inputs: { parameters: Observable<Table>; examples: Observable<Table> }) => Observable<PredictedRows> {
  return ({ parameters, examples }) =>
    forkJoin([
      parameters.pipe(onlyLast(), map(copyParameters)),
      examples.pipe(
        toArray(),
        tap((tables) => {
          // What does not fit is refused now, and not after the training.
          const looked = lookedAt(tables, split)
          for (const table of tables) if (splitOf(table) === looked) admitRows(table)
        }),
      ),
    ]).pipe(
      context.flow.concatMap(([last, tables]) =>
        context.signal.aborted ? [] : classified(last, tables, split, context),
      ),
    )
}

/** The split to look at: the one that was asked for, `test`, or the last. Undefined if there is none. */
function lookedAt(tables: readonly Table[], asked: string | undefined): string | undefined {
  const splits = tables.map(splitOf)
  return asked ?? (splits.includes('test') ? 'test' : splits.at(-1))
}

async function classified(
  last: Table,
  tables: readonly Table[],
  asked: string | undefined,
  context: StageContext,
): Promise<PredictedRows> {
  const { kernels, flow, parallel } = context
  const split = lookedAt(tables, asked)
  const chosen = tables.filter((table) => splitOf(table) === split && (parallel.isDivided || table.numRows > 0))
  if (split === undefined) throw new PipelineError('DATA', 'no examples arrived to classify')
  if (chosen.length === 0) throw new PipelineError('DATA', `the split "${split}" has no rows to classify`)
  const parameters = modelOf(last)
  const learner = context.learner(parameters.learner, parameters.options)
  const [features, classes] = [widthOf(parameters.shape), parameters.classes.length]
  const shards = rowsByShard(chosen, split, parallel)
  const parts = shards.flat()
  const rows = countRows(parts)
  const labels = new Int32Array(rows)
  let at = 0
  for (const part of parts) {
    labels.set(part.labels, at)
    at += part.labels.length
  }
  const model = openModel(learner, kernels, { features, classes }, parameters.options)
  const pause = (): Promise<void> | undefined => flow.yieldToEventLoop()
  let classified: Classified
  try {
    model.load(arraysOf(parameters))
    const pieces = parts.flatMap((part) => [...piecesOf(part, split, features, model)])
    classified = await classify(model, kernels, learner.scores, pieces, { rows, classes }, pause)
  } finally {
    model.free()
  }
  const { shape } = layoutOf(chosen[0]!)
  const confidenceIs = learner.scores === 'logits' ? ('probability' as const) : ('score' as const)
  const own = { split, classes: parameters.classes, shape, labels, ...classified, confidenceIs }
  return ofAllRanks(own, shards, features, parallel)
}
