import { defineStage } from '../../pipeline/stage-kit.js'
import { countParquet } from './parquet/file.js'
import { readParquet } from './parquet/rows.js'
import { tabularExamples } from './tabular/examples.js'
import { tabularFacts, tabularOptions, tabularStage } from './tabular/options.js'

/**
 * Loads examples from Parquet files, row group by row group: columns of numbers, truth values and texts; or one column
 * that has all features of a row, as fixed-length bytes or as a list of numbers. Dates and times are numbers:
 * milliseconds since 1970.
 */
export const parquet = defineStage({
  name: 'load/parquet',
  summary: 'Loads examples from Parquet files.',
  options: tabularOptions({}),
  ...tabularStage,
  example: '- use: load/parquet\n  with: { path: flights.parquet, label: origin, missing: drop }',
  holds:
    'a row group, every split, 4 bytes per cell (1 per byte of whole rows), and as much again until the splits are made unless all cells ' +
    'are numbers and all rows come into splits; before cache/arrow what fits into three quarters of `memory:`, for a model a piece',
  facts: tabularFacts,
  run: (options, context) => context.flow.pull(tabularExamples(options, context, readParquet, countParquet)),
})
