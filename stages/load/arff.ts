import { defineStage, type StageContext } from '../../pipeline/stage-kit.js'
import { ArffRows } from './arff/rows.js'
import { tabularExamples } from './tabular/examples.js'
import { readLines } from './tabular/lines.js'
import { tabularFacts, tabularOptions, tabularStage } from './tabular/options.js'
import type { TableRows } from './tabular/table-rows.js'

const options = tabularOptions({})

/**
 * Loads examples from ARFF files, the format of Weka (https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/):
 * `numeric`, `real` and `integer` attributes are numbers, nominal ones are categories in their declared order, one feature
 * each. Texts and dates have to be left out (`drop`), or texts taken as categories (`text`). The classes are in the order
 * in which the file declares them. Rows may be sparse.
 */
export const arff = defineStage({
  name: 'load/arff',
  summary: 'Loads examples from ARFF files, the format of Weka.',
  options,
  ...tabularStage,
  example: '- use: load/arff\n  with: { path: credit-g.arff, missing: mode, stratify: true }',
  holds:
    'every split, 4 bytes per cell, and as much again until the splits are made; before cache/arrow what fits into three quarters of ' +
    '`memory:`, for a model a piece',
  facts: tabularFacts,
  run: (options, context) =>
    context.flow.pull(tabularExamples(options, context, (path, _, rows, context) => readArff(path, rows, context))),
})

/** Reads the rows of an ARFF file. Throws a PipelineError `DATA` with the line. */
export async function readArff(path: string, rows: TableRows, context: StageContext): Promise<void> {
  const lines = new ArffRows(path, rows)
  await readLines(path, undefined, context, (line, number) => lines.add(line, number))
  lines.end()
  rows.endFile(path)
}
