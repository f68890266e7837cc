import { defineStage, type StageContext } from '../../pipeline/stage-kit.js'
import { JsonRows } from './jsonl/rows.js'
import { tabularExamples } from './tabular/examples.js'
import { readLines } from './tabular/lines.js'
import { tabularFacts, tabularOptions, tabularStage } from './tabular/options.js'
import type { TableRows } from './tabular/table-rows.js'

/**
 * Loads examples from files with one JSON value per line: an object with a key per column, or an array with a cell per
 * column. Objects and arrays inside become columns with dotted names (`address.city`, `pixels.0`). Files may be packed by
 * gzip. The columns are those of the first line; keys that a later line lacks are missing cells.
 */
export const jsonl = defineStage({
  name: 'load/jsonl',
  summary: 'Loads examples from files with one JSON object or array per line.',
  options: tabularOptions({}),
  ...tabularStage,
  example: '- use: load/jsonl\n  with: { path: reviews.jsonl, label: stars, text: one-hot }',
  holds:
    'every split, 4 bytes per cell, and as much again until the splits are made; before cache/arrow what fits into three quarters of ' +
    '`memory:`, for a model a piece',
  facts: tabularFacts,
  run: (options, context) => context.flow.pull(tabularExamples(options, context, readJsonl)),
})

/** Reads the rows of a file with a JSON value on each line. Throws a PipelineError `DATA` with the line. */
export async function readJsonl(
  path: string,
  { select, model }: { readonly select?: unknown; readonly model?: unknown },
  rows: TableRows,
  context: StageContext,
): Promise<void> {
  const lines = new JsonRows(path, rows, select !== undefined || model !== undefined)
  await readLines(path, undefined, context, (line, number) => lines.add(line, number))
  rows.endFile(path)
}
