import type { Table } from 'apache-arrow'
import { type OperatorFunction, toArray } from 'rxjs'
import { z } from 'zod'
import {
  type Affine,
  type Checking,
  checkSplit,
  type Facts,
  layoutOf,
  PipelineError,
  type StageContext,
  splitOf,
} from '../../pipeline/stage-kit.js'
import { noteConstants, standardised } from './affine.js'
import { type Statistics, statisticsOf } from './statistics.js'

/** The option of every fitted normaliser. */
export const fit = z.string().min(1).default('train').describe('The split the statistics are computed on.')

/** Reports a split to fit on that the input does not have. Returns the facts of the input as those of the output. */
export function fittedFacts({ options, inputs, problem }: Checking<{ fit: string }>): { examples: Facts } {
  const facts = inputs.examples ?? {}
  checkSplit(facts, options.fit, 'fit', problem)
  return { examples: facts }
}

/**
 * Computes statistics of the stored values of the `fit` split, makes a map from them and applies it to every table. It
 * replaces a map that the tables carry; the statistics do not depend on that map.
 */
export function fitted(
  split: string,
  context: StageContext,
  mapFrom: (statistics: Statistics) => Affine,
): OperatorFunction<Table, Table> {
  return (examples) =>
    examples.pipe(
      toArray(),
      context.flow.concatMap((tables) => context.flow.pull(normalised(tables))),
    )

  async function* normalised(tables: readonly Table[]): AsyncGenerator<Table> {
    const fitTables = tables.filter(
      (table) => splitOf(table) === split && (context.parallel.isDivided || table.numRows > 0),
    )
    if (fitTables.length === 0) throw new PipelineError('DATA', `no rows of the split "${split}" arrived to fit on`)
    const affine = mapFrom(await statisticsOf(fitTables, context))
    noteConstants(affine.scale, split, context, layoutOf(fitTables[0]!).names)
    for (const table of tables) yield await standardised(table, affine, context)
  }
}
